// Numbers and times for people.

const whole = new Intl.NumberFormat("en");
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });
const both = new Intl.DateTimeFormat(undefined, {
  dateStyle: "short", timeStyle: "medium", hourCycle: "h23",
});

/** Return 12345 as 12,345. */
export const count = (number) => whole.format(number);

/** Return a number of things, by name. */
export const things = (number, one, many = `${one}s`) =>
  `${count(number)} ${number === 1 ? one : many}`;

/** Return 15321 as 15k, and 1532 as 1.5k. */
export function short(number) {
  for (const unit of ["", "k", "M", "G"]) {
    if (number < 999.5) {
      return (number < 10 ? Math.round(number * 10) / 10 : Math.round(number)) + unit;
    }
    number /= 1000;
  }
  return `${Math.round(number)}T`;
}

/** Return 15321 as 15 kB. */
export const bytes = (number) => short(number).replace(/[kMGT]?$/, (unit) => ` ${unit}B`);

/** Return the time of day of seconds since the epoch, with the date if it is not today. */
export function clock(seconds, now = new Date()) {
  const at = new Date(seconds * 1000);
  return (at.toDateString() === now.toDateString() ? time : both).format(at);
}

/** Return address and port as one. */
export const joined = ({ address, port }) =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
