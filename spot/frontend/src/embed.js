// <spot-ticker> and <spot-heatmap> for any page: one module, no style sheet, nothing else to load. See docs/javascript.md.
import "./embed/heatmap.js";
import "./embed/ticker.js";
