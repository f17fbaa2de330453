# A sample of the TCP connections every minute, as the owner of the state. It prints nothing while all is well; what it
# says else is in the journal (journalctl -t tcptide), and check_tcptide alarms.
* * * * * nagios [ ! -x /usr/bin/tcptide ] || /usr/bin/tcptide sample 2>&1 | logger -t tcptide
