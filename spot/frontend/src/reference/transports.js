// Following a question through its door: a feed's socket, the stream, server-sent events, or one answer over HTTP. A key is
// sent in a header alone: sockets and streams of events get a ticket for it, which is good for one connection. Without a key a
// page that staff has opened, on a site that is closed to visitors, gets a ticket of its own.

import { closing } from "../client/reconnect.js";
import { pageTicket } from "../client/ticket.js";
import { eventsOf } from "./frames.js";

const EVENTS = "text/event-stream";

/**
 * Follows a question until the function that it returns is called. `on.live(words)`: connected; `on.message(text, age)`: a
 * frame, with the age of its data in milliseconds where a header has it; `on.ended(words, problem)`: nothing comes any more.
 */
export function follow(question, key, on) {
  const ending = new AbortController();
  const { signal } = ending;
  const heard = Object.fromEntries(Object.entries(on).map(([name, call]) => [name, (...said) => signal.aborted || call(...said)]));
  const begin = { feed: followSocket, stream: followSocket, sse: followEvents, http: ask }[question.transport];
  begin(question, key, heard, signal).catch((error) => heard.ended("Refused", wordsOf(error)));
  return () => ending.abort();
}

/** What an error means for the visitor; `fetch` reports a lost network as a TypeError. */
function wordsOf(error) {
  return error instanceof TypeError ? "The server cannot be reached." : error.refusal?.message ?? error.message;
}

const withKey = (key) => (key ? { "X-API-Key": key } : {});

/** The words of a refusal. */
async function refusal(answer) {
  try {
    return (await answer.json()).message;
  } catch {
    return `The server answered with HTTP ${answer.status}.`;
  }
}

/** A ticket for the key, or for the page; "" where none is needed. */
async function ticketFor({ ticket }, key, signal) {
  if (!key) return (await pageTicket(location.href)?.()) ?? "";
  const answer = await fetch(ticket, { method: "POST", headers: withKey(key), signal });
  if (!answer.ok) throw new Error(await refusal(answer));
  return (await answer.json()).ticket;
}

/** An address that is fetched with a ticket in it; "" is none. */
function ticketed(url, ticket) {
  const address = new URL(url);
  if (ticket) address.search += `${address.search ? "&" : "?"}ticket=${ticket}`;
  return address;
}

/** One answer over HTTP: a key is sent in the header, the page's own ticket in the address. */
async function answerOf(question, key, signal) {
  const ticket = key ? "" : await ticketFor(question, key, signal);
  return fetch(ticketed(question.http, ticket), { headers: withKey(key), cache: "no-store", signal });
}

async function followSocket(question, key, on, signal) {
  const ticket = await ticketFor(question, key, signal);
  const socket = new WebSocket(question[question.transport], ticket ? [`spot.ticket.${ticket}`] : []);
  let opened = false;
  signal.addEventListener("abort", () => socket.readyState === WebSocket.OPEN && socket.close());
  socket.onopen = () => {
    if (signal.aborted) return socket.close(); // closing one that connects is an error on the browser's console
    opened = true;
    on.live("Connected");
    if (question.transport === "stream") socket.send(JSON.stringify(question.message));
  };
  socket.onmessage = ({ data }) => on.message(data);
  socket.onclose = async ({ code }) => {
    if (signal.aborted) return;
    on.ended(`Closed (${code})`, opened ? closing(code).reason : await whyRefused(question, key, signal));
  };
}

/** A browser does not tell a page why a handshake was refused; the same question over HTTP is answered in words. */
async function whyRefused(question, key, signal) {
  try {
    const answer = await answerOf(question, key, signal);
    return answer.ok ? "The handshake was refused, or the connection was lost." : await refusal(answer);
  } catch (error) {
    return wordsOf(error);
  }
}

async function followEvents(question, key, on, signal) {
  const ticket = await ticketFor(question, key, signal);
  const answer = await fetch(ticketed(question.sse, ticket), { headers: { Accept: EVENTS }, cache: "no-store", signal });
  if (!answer.ok) throw new Error(await refusal(answer));
  on.live("Connected");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const { messages, rest } = eventsOf(text + part.value);
    text = rest;
    for (const message of messages) on.message(message);
  }
  on.ended("Ended", "The server has ended the stream.");
}

async function ask(question, key, on, signal) {
  const begun = performance.now();
  const answer = await answerOf(question, key, signal);
  const text = await answer.text();
  const age = answer.headers.get("X-Spot-Age-Ms");
  on.live("Answered");
  on.message(text, age ? Number(age) : null);
  on.ended(`${answer.status} in ${Math.round(performance.now() - begun)} ms`, "");
}
