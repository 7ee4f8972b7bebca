# Databricks notebook source
# Make images with Spark and write them to a blob container, where prep reads them.

# COMMAND ----------

import gzip
import json
import struct
import urllib.parse
import urllib.request

import numpy as np
import pandas as pd

container = dbutils.widgets.get("container")  # https://ACCOUNT.blob.core.windows.net/CONTAINER
folder = dbutils.widgets.get("folder")
counts = {"train": int(dbutils.widgets.get("training_images")), "t10k": int(dbutils.widgets.get("test_images"))}
scope = dbutils.widgets.get("secret_scope")
SIDE, CLASSES = 28, 4

# COMMAND ----------


def make_images(parts):
    """Draw stripes in one of four directions, with noise, on the executors."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for part in parts:
        images, labels = [], []
        for number in part["id"]:
            rng = np.random.default_rng(number)
            label = int(number) % CLASSES
            angle = label * np.pi / CLASSES
            stripes = np.sin(0.9 * (rows * np.sin(angle) + columns * np.cos(angle)) + rng.uniform(0, 2 * np.pi))
            images.append(
                np.clip(128 + 90 * stripes + rng.normal(0, 20, stripes.shape), 0, 255).astype("uint8").tobytes()
            )
            labels.append(label)
        yield pd.DataFrame({"id": part["id"], "image": images, "label": labels})


def idx_files(name, first, count):
    """Return the two gzipped idx files of a set of images."""
    made = spark.range(first, first + count).mapInPandas(make_images, "id long, image binary, label int")
    found = made.orderBy("id").collect()
    images = struct.pack(">4i", 2051, count, SIDE, SIDE) + b"".join(row.image for row in found)
    labels = struct.pack(">2i", 2049, count) + bytes(row.label for row in found)
    return {f"{name}-images-idx3-ubyte.gz": images, f"{name}-labels-idx1-ubyte.gz": labels}


# COMMAND ----------


def storage_token():
    """Sign in with the service principal in the secret scope."""
    form = {
        "grant_type": "client_credentials",
        "scope": "https://storage.azure.com/.default",
        "client_id": dbutils.secrets.get(scope, "client-id"),
        "client_secret": dbutils.secrets.get(scope, "client-secret"),
    }
    url = f"https://login.microsoftonline.com/{dbutils.secrets.get(scope, 'tenant-id')}/oauth2/v2.0/token"
    with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=60) as answer:
        return json.load(answer)["access_token"]


token, first, written = storage_token(), 0, []
for name, count in counts.items():
    for file, content in idx_files(name, first, count).items():
        request = urllib.request.Request(f"{container}/{folder}/{file}", gzip.compress(content, mtime=0), method="PUT")
        request.add_header("Authorization", f"Bearer {token}")
        request.add_header("x-ms-version", "2023-11-03")
        request.add_header("x-ms-blob-type", "BlockBlob")
        urllib.request.urlopen(request, timeout=300).close()
        written.append(file)
    first += count

# COMMAND ----------

dbutils.notebook.exit(json.dumps({"folder": folder, "files": written, "images": first}))
