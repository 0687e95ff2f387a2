// The pages under /docs/.
import "./shell/preferences.js";
import "./reference/console.js";

// On a narrow window the list of pages is closed, so that a page begins with itself.
if (matchMedia("(max-width: 900px)").matches) document.querySelector(".ref-pages")?.removeAttribute("open");
