// The dashboard at "/".
import "./alerts/alerts.js";
import "./shell/connection.js";
import "./shell/currency.js";
import "./map/heatmap.js";
import "./listings/listings.js";
import "./movers/movers.js";
import "./shell/preferences.js";
import "./market/table.js";
import "./tape/tape.js";
import { search } from "./shell/shortcuts.js";

if (location.hash === "#search") search(); // another page was asked to search
