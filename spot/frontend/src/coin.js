// The page of one coin.
import "./alerts/alerts.js";
import "./coin/candles.js";
import "./shell/connection.js";
import "./shell/currency.js";
import "./shell/preferences.js";
import "./coin/quote.js";
import { leadBack } from "./page/way_back.js";

leadBack();
