import assert from "node:assert/strict";
import { test } from "node:test";

import { isoIn, tickWeight, wallClock } from "../../src/data/zone.js";

const at = Date.parse;

test("the clocks of a zone are read with summer time and with odd offsets", () => {
  const shows = (time, zone) => new Date(wallClock(at(time), zone)).toISOString();
  assert.equal(shows("2026-07-01T12:00:00Z", "Europe/Zurich"), "2026-07-01T14:00:00.000Z");
  assert.equal(shows("2026-12-01T12:00:00Z", "Europe/Zurich"), "2026-12-01T13:00:00.000Z");
  assert.equal(shows("2026-11-20T23:30:00.250Z", "Asia/Kathmandu"), "2026-11-21T05:15:00.250Z");
  assert.equal(shows("2026-11-20T23:30:00Z", "UTC"), "2026-11-20T23:30:00.000Z");
});

test("an hour that comes twice is told apart by its offset", () => {
  assert.equal(isoIn(at("2026-10-25T00:30:00Z"), "Europe/Zurich"), "2026-10-25T02:30:00+02:00");
  assert.equal(isoIn(at("2026-10-25T01:30:00Z"), "Europe/Zurich"), "2026-10-25T02:30:00+01:00");
  assert.equal(isoIn(at("2026-11-20T12:00:00Z"), "America/St_Johns"), "2026-11-20T08:30:00-03:30");
});

test("a written time is the same moment when it is read", () => {
  for (const zone of ["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]) {
    for (let time = at("2026-01-01"); time < at("2027-01-01"); time += 5_400_000) assert.equal(at(isoIn(time, zone)), time);
  }
});

test("labels weigh by the calendar: year, month, day, then the hours", () => {
  const weight = (before, now) => tickWeight(at(now), at(before));
  assert.equal(weight("2025-12-31T20:00Z", "2026-01-01T00:00Z"), 70);
  assert.equal(weight("2026-10-31T20:00Z", "2026-11-01T00:00Z"), 60);
  assert.equal(weight("2026-11-01T20:00Z", "2026-11-02T00:00Z"), 50);
  assert.equal(weight("2026-11-01T08:00Z", "2026-11-01T12:00Z"), 33);
  assert.equal(weight("2026-11-01T00:30Z", "2026-11-01T01:00Z"), 30);
  assert.equal(weight("2026-11-01T01:00Z", "2026-11-01T01:30Z"), 22);
});
