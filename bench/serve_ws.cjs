// Node `ws`, as its README broadcasts: the message in a file to everybody, for each byte on standard input.
const fs = require("node:fs");
const { WebSocketServer, WebSocket } = require("ws");

const [port, path, deflate] = process.argv.slice(2);
const parts = fs.readFileSync(path, "utf8").split("0".repeat(19));

const groups = new Map(); // the request's path names the group
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(port), backlog: 4096, perMessageDeflate: deflate === "deflate" });
server.on("connection", (socket, request) => {
  const group = groups.get(request.url) ?? groups.set(request.url, new Set()).get(request.url);
  group.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => group.delete(socket));
});

process.stdin.on("data", (bytes) => {
  for (let i = 0; i < bytes.length; i++) {
    const data = Buffer.from(parts.join(process.hrtime.bigint().toString().padStart(19, "0")));
    for (const group of groups.values()) {
      for (const client of group) if (client.readyState === WebSocket.OPEN) client.send(data, { binary: false });
    }
  }
});
process.stdin.on("end", () => process.exit());
