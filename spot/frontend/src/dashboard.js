// The dashboard at "/".
import "./connection.js";
import "./currency.js";
import "./heatmap.js";
import "./movers.js";
import "./table.js";
import "./tape.js";
