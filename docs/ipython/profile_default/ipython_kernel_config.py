"""Settings of the kernels that run the tutorials."""

c = get_config()  # noqa: F821 - IPython's own
c.IPKernelApp.log_level = "ERROR"  # every kernel warns that it talks over TCP, on this machine alone
c.HistoryManager.enabled = False
