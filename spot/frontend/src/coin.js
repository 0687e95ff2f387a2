// The page of one coin.
import "./candles.js";
import "./connection.js";
import "./currency.js";
import "./preferences.js";
import "./quote.js";
import { leadBack } from "./way_back.js";

leadBack();
