// Tells key presses that enter text from those that can be shortcuts. Pure.

/** Whether a key press is text, or belongs to whatever has the focus. */
export function isTyping({ target, isComposing, ctrlKey, metaKey, altKey, defaultPrevented }) {
  if (isComposing || ctrlKey || metaKey || altKey || defaultPrevented) return true;
  return Boolean(target?.closest?.("input, textarea, select, [contenteditable]:not([contenteditable='false']), [role='textbox']"));
}
