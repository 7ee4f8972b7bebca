// Start Azurite with a secret user delegation key, and with deadlines and a limit for silent connections.
// Arguments: Azurite's own main.js, then Azurite's arguments.
"use strict";

const crypto = require("crypto");
const https = require("https");
const path = require("path");

process.argv.splice(1, 1);
const main = process.argv[1];
const silentMilliseconds = Number(process.env.AZURITE_SILENT_SECONDS) * 1000;
const mostSilent = Number(process.env.AZURITE_MOST_SILENT);

// Azurite uses a public constant, with which anyone could sign for any blob.
const constants = require(path.join(path.dirname(main), "utils", "constants.js"));
constants.USERDELEGATIONKEY_BASIC_KEY = process.env.AZURITE_USER_DELEGATION_KEY;

const createServer = https.createServer;
https.createServer = (options, ...rest) => {
  const server = createServer({ ...options, handshakeTimeout: silentMilliseconds, headersTimeout: silentMilliseconds,
    connectionsCheckingInterval: silentMilliseconds / 2 }, ...rest);
  const silent = new Map(); // by the client's port, the oldest first
  server.on("connection", (socket) => {
    const port = socket.remotePort;
    silent.set(port, socket);
    socket.once("close", () => silent.get(port) === socket && silent.delete(port));
    if (silent.size > mostSilent) silent.values().next().value.destroy();
  });
  server.on("request", (request) => silent.delete(request.socket.remotePort));
  return server;
};

require(main);
