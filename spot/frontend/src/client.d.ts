// What client.js offers, for editors and TypeScript. docs/javascript.md says what it means.

export type Value = string | number | boolean;
export type Row = Record<string, any>;
export type Cell = [field: string, before: any, after: any];
export type Changes = Map<string, Cell[]>;

export interface View {
  keys: string[];
  rows: Map<string, Row | any[]>;
  headers: string[] | null;
}

export interface Head {
  channel: string;
  params: Record<string, any>;
  seq: number;
  epoch: string;
  version: number;
  as_of: number | null;
  fetched_at: number;
  max_age_ms: number;
  source: string;
  source_label: string;
  source_url: string | null;
  simulated: boolean;
  stale: boolean;
  total: number;
  page: number;
  pages: number;
  universe?: number;
  disputed?: { id: string; source: string; price: number; shown: number; percent: number }[];
  missing?: Record<string, { code: string; message: string }>;
  streams?: { source: string; label: string; url: string | null; coins: number; as_of: number }[];
  interval_ms?: number;
  volume_basis?: "rolling_24h" | "interval" | "none";
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

export class Feed extends EventTarget {
  constructor(path: string, params?: Record<string, Value>, options?: { server?: string; random?: () => number });
  readonly path: string;
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
  update(changes: Record<string, Value | null>): boolean;
  export(): boolean;
  rows(): Row[];
  isStale(now?: number): boolean;
  condition(now?: number): Condition;
  addEventListener<T extends keyof FeedEvents>(type: T, listener: (event: FeedEvents[T]) => void, options?: boolean | AddEventListenerOptions): void;
}

export class Gap extends Error {}
export function serverNow(): number;
export function fromSnapshot(data: any): View;
export function applyDelta(view: View, delta: { changed?: Record<string, any>; entered?: Record<string, any>; left?: string[]; order?: string[] }): Changes;
export function records(view: View): Row[];
export function closing(code: number): { final: boolean; reason: string; crowded: boolean; question: boolean };
export function delay(attempt: number, random?: () => number): number;
