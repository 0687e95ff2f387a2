// The dashboard at "/".
import "./connection.js";
import "./currency.js";
import "./heatmap.js";
import "./listings.js";
import "./movers.js";
import "./preferences.js";
import "./table.js";
import "./tape.js";
