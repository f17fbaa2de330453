"""The templates of the reporter."""
