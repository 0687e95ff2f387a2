// Node `ws`, a set of sockets for each coin: every coin's message to its followers, for each byte on standard input.
const { WebSocketServer, WebSocket } = require("ws");

const COINS = 500, FOLLOWED = 100;
const followers = Array.from({ length: COINS }, () => new Set());
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096, perMessageDeflate: false });
server.on("connection", (socket, request) => {
  const client = Number(request.url.slice(1));
  const coins = Array.from({ length: FOLLOWED }, (_, step) => (client * 7 + step * 5) % COINS);
  for (const coin of coins) followers[coin].add(socket);
  socket.on("error", () => {});
  socket.on("close", () => coins.forEach((coin) => followers[coin].delete(socket)));
});

let step = 0;
process.stdin.on("data", (bytes) => {
  for (let i = 0; i < bytes.length; i++) {
    step += 1;
    for (let coin = 0; coin < COINS; coin++) {
      const name = String(coin).padStart(3, "0"), price = (1 + coin + step / 1000).toFixed(6).padStart(14, "0");
      const data = Buffer.from(`{"coin":"coin-${name}","price":${price}}`);
      for (const client of followers[coin]) if (client.readyState === WebSocket.OPEN) client.send(data, { binary: false });
    }
  }
});
process.stdin.on("end", () => process.exit());
