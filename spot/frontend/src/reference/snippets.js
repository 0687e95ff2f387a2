// The code for a question in several languages. Pure.

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const literal = (value) => JSON.stringify(value);
/** The variable of the environment from which code reads the key: the key itself is never written into code. */
const KEY = "SPOT_KEY";

// --- curl -------------------------------------------------------------------------------------------------------------

function curl(question, withKey) {
  const key = withKey ? ` -H "X-API-Key: $${KEY}"` : "";
  const { transport } = question;
  if (transport === "sse") return `curl -N${key} ${quoted(question.sse)}\n`;
  if (transport === "http") return `curl${key} ${quoted(question.http)}\n`;
  return `# Sockets need another program, such as websocat. The same view as server-sent events:\ncurl -N${key} ${quoted(question.sse)}\n`;
}

// --- Python -----------------------------------------------------------------------------------------------------------

function python(question, withKey) {
  return { feed: pythonSocket, stream: pythonSocket, sse: pythonEvents, http: pythonOnce }[question.transport](question, withKey);
}

function pythonSocket(question, withKey) {
  const { transport, message } = question;
  const imports = ["asyncio", "json", ...(withKey ? ["os"] : [])];
  const key = withKey ? `, additional_headers={"X-API-Key": os.environ["${KEY}"]}` : "";
  const first = transport === "stream" ? `            await socket.send(json.dumps(${pythonic(message)}))\n` : "";
  return `${imports.map((name) => `import ${name}`).join("\n")}

import websockets  # pip install websockets


async def main():
    async for socket in websockets.connect(${literal(question[transport])}, max_size=None${key}):
        try:
${first}            async for frame in socket:
                print(json.loads(frame))
        except websockets.ConnectionClosed:
            continue


asyncio.run(main())
`;
}

const pythonRequest = (address, withKey) =>
  `${withKey ? "import os\n" : ""}import urllib.request

request = urllib.request.Request(${literal(address)}${withKey ? `, headers={"X-API-Key": os.environ["${KEY}"]}` : ""})
`;

const pythonEvents = ({ sse }, withKey) => `import json
${pythonRequest(sse, withKey)}with urllib.request.urlopen(request) as answer:
    for line in answer:
        if line.startswith(b"data: "):
            print(json.loads(line.removeprefix(b"data: ")))
`;

const pythonOnce = ({ http }, withKey) => `import json
${pythonRequest(http, withKey)}with urllib.request.urlopen(request) as answer:
    print(json.load(answer))
`;

/** A JSON value as Python writes it. */
function pythonic(value) {
  if (Array.isArray(value)) return `[${value.map(pythonic).join(", ")}]`;
  if (value && typeof value === "object") return `{${Object.entries(value).map(([name, one]) => `${literal(name)}: ${pythonic(one)}`).join(", ")}}`;
  return { true: "True", false: "False", null: "None" }[value] ?? literal(value);
}

// --- JavaScript -------------------------------------------------------------------------------------------------------

function javascript(question, withKey) {
  const { transport, message } = question;
  const address = question[transport];
  if (transport === "http") {
    const options = withKey ? `, { headers: { "X-API-Key": process.env.${KEY} } }` : "";
    return `const answer = await fetch(${literal(address)}${options});\nconsole.log(answer.status, await answer.json());\n`;
  }
  const ticket = withKey ? javascriptTicket(question) : "";
  if (transport === "sse") {
    const target = withKey ? `\`${address}${address.includes("?") ? "&" : "?"}ticket=\${ticket}\`` : literal(address);
    return `${ticket}const source = new EventSource(${target});\nsource.onmessage = ({ data }) => console.log(JSON.parse(data));\n`;
  }
  const first = transport === "stream" ? `socket.onopen = () => socket.send(JSON.stringify(${literal(message)}));\n` : "";
  return `${ticket}const socket = new WebSocket(${literal(address)}${withKey ? ", [`spot.ticket.${ticket}`]" : ""});
${first}socket.onmessage = ({ data }) => console.log(JSON.parse(data));
socket.onclose = ({ code }) => console.log("closed", code);
`;
}

const javascriptTicket = ({ ticket }) => `// On your server, which hands the ticket to the page. A ticket is for one connection.
const bought = await fetch(${literal(ticket)}, { method: "POST", headers: { "X-API-Key": process.env.${KEY} } });
const { ticket } = await bought.json();

// In the page.
`;

// --- addresses --------------------------------------------------------------------------------------------------------

function url(question) {
  const { transport, message } = question;
  return `${question[transport]}\n${transport === "stream" ? `${literal(message)}\n` : ""}`;
}

/** The languages: key, name, and the code for a question of question.js, with a key or without. */
export const LANGUAGES = [
  ["url", "URL", url],
  ["curl", "curl", curl],
  ["python", "Python", python],
  ["javascript", "JavaScript", javascript],
];
