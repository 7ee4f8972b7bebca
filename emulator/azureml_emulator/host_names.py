"""Azure host names that several rooms use."""

MANAGEMENT_HOST = "management.azure.com"
LOGIN_HOST = "login.microsoftonline.com"
DATABRICKS_HOST_SUFFIX = ".azuredatabricks.net"
BLOB_HOST_SUFFIX = ".blob.core.windows.net"
