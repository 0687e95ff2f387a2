// The dashboard at "/".
import "./connection.js";
import "./currency.js";
import "./heatmap.js";
import "./listings.js";
import "./movers.js";
import "./preferences.js";
import "./table.js";
import "./tape.js";
import { search } from "./shortcuts.js";

if (location.hash === "#search") search(); // another page was asked to search
