// What client.js offers, for editors and TypeScript. docs/javascript.md says what it means.

import type { FeedParams, FeedRows, Filters, Head } from "./feeds.js";

export type * from "./feeds.js";

export type Value = string | number | boolean | Filters;
export type Row = Record<string, any>;
export type Cell = [field: string, before: any, after: any];
export type Changes = Map<string, Cell[]>;

export interface View {
  keys: string[];
  rows: Map<string, Row | any[]>;
  headers: string[] | null;
}

export interface Condition {
  name: "connecting" | "waiting" | "unavailable" | "live" | "demo" | "stale" | "reconnecting" | "offline" | "refused";
  reason: string;
  seconds?: number;
  nextTry?: number | null;
  code?: string | number;
  question?: boolean;
}

export interface FeedEvents {
  frame: CustomEvent<{ changes: Changes; whole: boolean }>;
  state: CustomEvent<undefined>;
  waiting: CustomEvent<undefined>;
  notice: CustomEvent<{ type: "notice"; code: string; message: string }>;
  refusal: CustomEvent<{ type: "error"; code: string; message: string; retry: boolean; field?: string; allowed?: any }>;
  export: CustomEvent<{ type: "export"; format: "csv"; filename: string; data: string }>;
}

export interface Options {
  /** Any address of the server; without it, that of the module or of the page. */
  server?: string;
  /** Takes the place of the global one, such as that of the package `ws`. */
  WebSocket?: new (url: string, options?: any) => any;
  /** For programs: goes in the header X-API-Key. */
  key?: string;
  /** For pages: gets a ticket from the page's own server, before each connection. */
  ticket?: () => Promise<string>;
  random?: () => number;
  /** Connected in a hidden tab, too. */
  always?: boolean;
}

export class Feed<Name extends keyof FeedRows = any> extends EventTarget {
  constructor(path: Name, ...rest: {} extends FeedParams[Name] ? [params?: FeedParams[Name], options?: Options] : [params: FeedParams[Name], options?: Options]);
  readonly path: Name;
  readonly server: string;
  readonly params: Record<string, Value>;
  readonly view: View | null;
  readonly head: Head | null;
  readonly link: "closed" | "connecting" | "open" | "waiting" | "resting" | "refused";
  readonly paused: boolean;
  readonly waiting: number;
  open(): void;
  close(): void;
  rest(): void;
  wake(): void;
  retry(): void;
  pause(): void;
  resume(): void;
  update(changes: { [Parameter in keyof FeedParams[Name]]?: FeedParams[Name][Parameter] | null }): boolean;
  export(): boolean;
  rows(): FeedRows[Name][];
  isStale(now?: number): boolean;
  condition(now?: number): Condition;
  addEventListener<T extends keyof FeedEvents>(type: T, listener: (event: FeedEvents[T]) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
}

export interface ClientOptions extends Pick<Options, "server" | "key" | "ticket" | "WebSocket" | "random"> {
  /** Seconds for which a request is repeated while the server cannot be reached or asks to come back; 30 unless given. */
  patience?: number;
  fetch?: typeof fetch;
}

/** A view of a batch. */
export type Question = { [Name in keyof FeedRows]: {} extends FeedParams[Name] ? { feed: Name; params?: FeedParams[Name] } : { feed: Name; params: FeedParams[Name] } }[keyof FeedRows];

export class Client {
  constructor(options?: ClientOptions);
  get<Name extends keyof FeedRows>(path: Name, ...rest: {} extends FeedParams[Name] ? [params?: FeedParams[Name]] : [params: FeedParams[Name]]): Promise<Page<FeedRows[Name]>>;
  csv<Name extends keyof FeedRows>(path: Name, ...rest: {} extends FeedParams[Name] ? [params?: FeedParams[Name]] : [params: FeedParams[Name]]): Promise<string>;
  batch(views: Question[]): Promise<(Page<Row> | Refused)[]>;
  feed<Name extends keyof FeedRows>(path: Name, params?: FeedParams[Name], options?: Options): Feed<Name>;
  stream(): Stream;
}

/** Many feeds over one socket. */
export class Stream {
  constructor(options?: Pick<Options, "server" | "key" | "ticket" | "WebSocket" | "random">);
  feed<Name extends keyof FeedRows>(path: Name, params?: FeedParams[Name], options?: Pick<Options, "always">): Feed<Name>;
  close(): void;
}

export class Page<R = Row> {
  readonly head: Head;
  readonly rows: R[];
  /** Seconds, by the server's clock. */
  readonly age: number;
  readonly stale: boolean;
}

export class SpotError extends Error {
  readonly retry: boolean;
}
export class Unreachable extends SpotError {}
export class Refused extends SpotError {
  readonly code: string;
  readonly field: string | null;
  readonly allowed: any;
  readonly status: number;
  readonly retryAfter: number | null;
}

export class Gap extends Error {}
export function serverNow(): number;
export function fromSnapshot(data: any): View;
export function applyDelta(view: View, delta: { changed?: Record<string, any>; entered?: Record<string, any>; left?: string[]; order?: string[] }): Changes;
export function records(view: View): Row[];
export function closing(code: number): { final: boolean; reason: string; crowded: boolean; question: boolean };
export function delay(attempt: number, random?: () => number): number;
