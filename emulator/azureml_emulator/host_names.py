"""Azure host names that several rooms use."""

MANAGEMENT_HOST = "management.azure.com"
LOGIN_HOST = "login.microsoftonline.com"
DATABRICKS_HOST_SUFFIX = ".azuredatabricks.net"
BLOB_HOST_SUFFIX = ".blob.core.windows.net"


def without_root_dot(host: str) -> str:
    """Return a host name without the dot of the DNS root: `x.net.` is the same host as `x.net`."""
    return host.removesuffix(".")
