"""What is asked of the kernel: sock_diag, /proc, cgroups, processes."""
