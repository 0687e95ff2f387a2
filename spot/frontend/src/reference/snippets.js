// The code for a question in several languages. Pure.

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

const python = (url) => `import asyncio, json, websockets  # pip install websockets


async def main():
    async for socket in websockets.connect(${JSON.stringify(url)}, max_size=None):
        try:
            async for frame in socket:
                print(json.loads(frame))
        except websockets.ConnectionClosed:
            continue


asyncio.run(main())
`;

const javascript = (url) => `const socket = new WebSocket(${JSON.stringify(url)});
socket.onmessage = ({ data }) => console.log(JSON.parse(data));
socket.onclose = ({ code }) => console.log("closed", code);
`;

/** The languages: key, name, and the code for addresses as `addresses` of question.js returns them. */
export const LANGUAGES = [
  ["url", "URL", ({ ws, http }) => `${ws}\n${http}\n`],
  ["curl", "curl", ({ http }) => `curl ${quoted(http)}\n`],
  ["python", "Python", ({ ws }) => python(ws)],
  ["javascript", "JavaScript", ({ ws }) => javascript(ws)],
];
