"""Nagios and Icinga checks; nagiosplugin is imported only in here."""
