"""Azure's host names that more than one room needs."""

MANAGEMENT_HOST = "management.azure.com"
LOGIN_HOST = "login.microsoftonline.com"
BLOB_HOST_SUFFIX = ".blob.core.windows.net"
