// Types of what the feeds take and answer. Written by `python -m clients.generate` from the server's declarations: change those.

export type Scalar = string | number | boolean | null;

export type Filters = Record<string, Scalar | Scalar[] | { eq?: Scalar; ne?: Scalar; gt?: Scalar; gte?: Scalar; lt?: Scalar; lte?: Scalar; in?: Scalar[]; nin?: Scalar[]; contains?: Scalar; startswith?: Scalar }>;

/** The envelope around the rows. */
export interface Head {
  channel: string;
  seq: number;
  epoch: string;
  version: number;
  as_of: number | null; // epoch ms
  fetched_at: number; // epoch ms
  max_age_ms: number;
  source: string;
  source_label: string;
  source_url: string | null;
  simulated: boolean;
  stale: boolean;
  total: number;
  page: number;
  pages: number;
  universe?: number; // coins
  streams?: ({ source: string; label: string; url: string | null; coins: number; as_of: number })[];
  disputed?: ({ id: string; source: string; price: number | null; shown: number | null; percent: number })[];
  params: Record<string, any>;
  missing?: Record<string, { code: "unknown_coin" | "no_price" | "unavailable"; message: string }>;
  interval_ms?: number; // ms
  volume_basis?: string;
}

/** Parameters of `market`. Lists are texts with commas. */
export interface MarketParams {
  vs_currency?: string;
  per_page?: number;
  sparkline?: boolean;
  price_change_percentage?: string;
  columns?: string;
  filters?: string | Filters;
  search?: string;
  sort_by?: string;
  sort_order?: "asc" | "desc";
  page?: number;
  page_size?: number;
}

/** A row of `market`. */
export interface MarketRow {
  id: string;
  Row: number;
  Logo: string;
  Symbol: string;
  Name: string;
  Price: number | null; // vs_currency
  "24h Change (%)"?: number | null; // %
  "Market Cap": number | null; // vs_currency
  "24h Volume": number | null; // vs_currency
  "7d Chart"?: (number | null)[] | null; // vs_currency
  "1h Change (%)"?: number | null; // %
  "7d Change (%)"?: number | null; // %
  "14d Change (%)"?: number | null; // %
  "30d Change (%)"?: number | null; // %
  "200d Change (%)"?: number | null; // %
  "1y Change (%)"?: number | null; // %
  Rank?: number | null;
  Category?: string | null;
  "24h High"?: number | null; // vs_currency
  "24h Low"?: number | null; // vs_currency
  FDV?: number | null; // vs_currency
  "Circulating Supply"?: number | null; // coins
  "Max Supply"?: number | null; // coins
  ATH?: number | null; // vs_currency
  as_of: number | null; // epoch ms
  stale: boolean | null;
}

/** Parameters of `coin-heatmap`. Lists are texts with commas. */
export interface CoinHeatmapParams {
  vs_currency?: string;
  per_page?: number;
  page?: number;
  price_change_percentage?: string;
  filters?: string | Filters;
  search?: string;
  sort_by?: string;
  sort_order?: "asc" | "desc";
  page_size?: number;
}

/** A row of `coin-heatmap`. */
export interface CoinHeatmapRow {
  size: number | null; // vs_currency
  content: string;
  symbol: string;
  price_change_24h: number | null; // %
  market_cap: number | null; // vs_currency
  color: string;
  id: string;
  name: string;
  logo: string;
  category: string | null;
  price: number | null; // vs_currency
  market_cap_rank: number | null;
  volume_24h: number | null; // vs_currency
  high_24h: number | null; // vs_currency
  low_24h: number | null; // vs_currency
  price_change_1h: number | null; // %
  price_change_7d: number | null; // %
  price_change_14d: number | null; // %
  price_change_30d: number | null; // %
  price_change_200d: number | null; // %
  price_change_1y: number | null; // %
  as_of: number | null; // epoch ms
  stale: boolean | null;
}

/** Parameters of `ticker-tape`. Lists are texts with commas. */
export interface TickerTapeParams {
  coin_ids: string;
  vs_currency?: string;
  price_change_percentage?: string;
  filters?: string | Filters;
  search?: string;
  sort_by?: string;
  sort_order?: "asc" | "desc";
  page?: number;
  page_size?: number;
}

/** A row of `ticker-tape`. */
export interface TickerTapeRow {
  logo: string;
  name: string;
  price: number | null; // vs_currency
  symbol_pair: string;
  change_pct_24h: number | null; // %
  id: string;
  symbol: string;
  category: string | null;
  market_cap: number | null; // vs_currency
  market_cap_rank: number | null;
  volume_24h: number | null; // vs_currency
  high_24h: number | null; // vs_currency
  low_24h: number | null; // vs_currency
  price_change_1h: number | null; // %
  price_change_24h: number | null; // %
  price_change_7d: number | null; // %
  price_change_14d: number | null; // %
  price_change_30d: number | null; // %
  price_change_200d: number | null; // %
  price_change_1y: number | null; // %
  as_of: number | null; // epoch ms
  stale: boolean | null;
}

/** Parameters of `top-gainers`. Lists are texts with commas. */
export interface TopGainersParams {
  vs_currency?: string;
  per_page?: number;
  price_change_percentage?: string;
  min_volume?: number;
  min_market_cap?: number;
  filters?: string | Filters;
  search?: string;
  sort_by?: string;
  sort_order?: "asc" | "desc";
  page?: number;
  page_size?: number;
}

/** A row of `top-gainers`. */
export interface TopGainersRow {
  rank: number;
  name: string;
  logo: string;
  symbol: string;
  price: number | null; // vs_currency
  market_cap: number | null; // vs_currency
  volume_24h: number | null; // vs_currency
  price_change_1h: number | null; // %
  price_change_24h: number | null; // %
  price_change_7d: number | null; // %
  price_change_14d: number | null; // %
  price_change_30d: number | null; // %
  price_change_200d: number | null; // %
  price_change_1y: number | null; // %
  id: string;
  category: string | null;
  market_cap_rank: number | null;
  high_24h: number | null; // vs_currency
  low_24h: number | null; // vs_currency
  as_of: number | null; // epoch ms
  stale: boolean | null;
  last_updated: number | null; // epoch ms
}

/** Parameters of `top-losers`. Lists are texts with commas. */
export interface TopLosersParams {
  vs_currency?: string;
  per_page?: number;
  price_change_percentage?: string;
  min_volume?: number;
  min_market_cap?: number;
  filters?: string | Filters;
  search?: string;
  sort_by?: string;
  sort_order?: "asc" | "desc";
  page?: number;
  page_size?: number;
}

/** A row of `top-losers`. */
export interface TopLosersRow {
  rank: number;
  name: string;
  logo: string;
  symbol: string;
  price: number | null; // vs_currency
  market_cap: number | null; // vs_currency
  volume_24h: number | null; // vs_currency
  price_change_1h: number | null; // %
  price_change_24h: number | null; // %
  price_change_7d: number | null; // %
  price_change_14d: number | null; // %
  price_change_30d: number | null; // %
  price_change_200d: number | null; // %
  price_change_1y: number | null; // %
  id: string;
  category: string | null;
  market_cap_rank: number | null;
  high_24h: number | null; // vs_currency
  low_24h: number | null; // vs_currency
  as_of: number | null; // epoch ms
  stale: boolean | null;
  last_updated: number | null; // epoch ms
}

/** Parameters of `most-active`. Lists are texts with commas. */
export interface MostActiveParams {
  vs_currency?: string;
  per_page?: number;
  price_change_percentage?: string;
  min_volume?: number;
  min_market_cap?: number;
  filters?: string | Filters;
  search?: string;
  sort_by?: string;
  sort_order?: "asc" | "desc";
  page?: number;
  page_size?: number;
}

/** A row of `most-active`. */
export interface MostActiveRow {
  rank: number;
  name: string;
  logo: string;
  symbol: string;
  price: number | null; // vs_currency
  market_cap: number | null; // vs_currency
  volume_24h: number | null; // vs_currency
  price_change_1h: number | null; // %
  price_change_24h: number | null; // %
  price_change_7d: number | null; // %
  price_change_14d: number | null; // %
  price_change_30d: number | null; // %
  price_change_200d: number | null; // %
  price_change_1y: number | null; // %
  id: string;
  category: string | null;
  market_cap_rank: number | null;
  high_24h: number | null; // vs_currency
  low_24h: number | null; // vs_currency
  as_of: number | null; // epoch ms
  stale: boolean | null;
  last_updated: number | null; // epoch ms
}

/** Parameters of `historical-ohlcv`. Lists are texts with commas. */
export interface HistoricalOhlcvParams {
  coin_id: string;
  vs_currency?: string;
  days?: number;
  filters?: string | Filters;
  search?: string;
  sort_by?: string;
  sort_order?: "asc" | "desc";
  page?: number;
  page_size?: number;
  start_time?: number | string;
  end_time?: number | string;
  time_field?: string;
}

/** A row of `historical-ohlcv`. */
export interface HistoricalOhlcvRow {
  timestamp: number; // epoch ms
  open: number; // vs_currency
  high: number; // vs_currency
  low: number; // vs_currency
  close: number; // vs_currency
  volume: number | null; // vs_currency
}

/** Parameters of `listings`. Lists are texts with commas. */
export interface ListingsParams {
  cex?: string;
  type?: string;
  ticker?: string;
  filters?: string | Filters;
  search?: string;
  sort_by?: string;
  sort_order?: "asc" | "desc";
  page?: number;
  page_size?: number;
  start_time?: number | string;
  end_time?: number | string;
  time_field?: string;
}

/** A row of `listings`. */
export interface ListingsRow {
  id: string;
  exchange: string;
  type: string;
  title: string;
  tickers: string[];
  published_at: number | null; // epoch ms
  detected_at: number | null; // epoch ms
  received_at: number; // epoch ms
  source: string;
}

/** Parameters of `onchain`. Lists are texts with commas. */
export interface OnchainParams {
  channel: "token_agg_event" | "transaction" | "liquidity_event" | "kline" | "token_metric" | "pool_metric" | "unique_trader" | "holders_metrics" | "holder_wallet_update";
  platform_id: number;
  address: string;
  interval?: string;
  filters?: string | Filters;
  search?: string;
  sort_by?: string;
  sort_order?: "asc" | "desc";
  page?: number;
  page_size?: number;
  start_time?: number | string;
  end_time?: number | string;
  time_field?: string;
}

/** A row of `onchain`. */
export interface OnchainRow {
  id: string;
  at: number; // epoch ms
  data: any;
}

/** Parameters by feed. */
export interface FeedParams {
  market: MarketParams;
  "coin-heatmap": CoinHeatmapParams;
  "ticker-tape": TickerTapeParams;
  "top-gainers": TopGainersParams;
  "top-losers": TopLosersParams;
  "most-active": MostActiveParams;
  "historical-ohlcv": HistoricalOhlcvParams;
  listings: ListingsParams;
  onchain: OnchainParams;
}

/** Rows by feed. */
export interface FeedRows {
  market: MarketRow;
  "coin-heatmap": CoinHeatmapRow;
  "ticker-tape": TickerTapeRow;
  "top-gainers": TopGainersRow;
  "top-losers": TopLosersRow;
  "most-active": MostActiveRow;
  "historical-ohlcv": HistoricalOhlcvRow;
  listings: ListingsRow;
  onchain: OnchainRow;
}
