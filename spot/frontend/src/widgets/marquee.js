// A strip that scrolls without an end, always at the same speed: by the width of its first child, and again.

const PIXELS_PER_SECOND = 40;
const milliseconds = (pixels) => (pixels / PIXELS_PER_SECOND) * 1000;

/** The motion of a track by so many pixels. It goes on from the place of `before`, the motion until now, if there is one. */
export function scrolling(track, width, before) {
  const pixels = before ? ((before.currentTime / 1000) * PIXELS_PER_SECOND) % width : 0;
  before?.cancel();
  const way = [{ transform: "translateX(0)" }, { transform: `translateX(${-width}px)` }];
  const motion = track.animate(way, { duration: milliseconds(width), iterations: Infinity });
  scrollTo(motion, pixels);
  return motion;
}

/** Puts a motion so many pixels from its start. */
export function scrollTo(motion, pixels) {
  motion.currentTime = milliseconds(pixels);
}
