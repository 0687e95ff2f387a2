// The page of one coin.
import "./candles.js";
import "./connection.js";
import "./currency.js";
import "./preferences.js";
import "./quote.js";
