const days = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** The Date header of RFC 3261 §20.17: `Sat, 13 Nov 2010 23:29:00 GMT`. */
export function formatSipDate(wallMs: number): string {
  const seconds = Math.trunc(wallMs / 1000);
  const day = Math.trunc(seconds / 86_400);
  const [year, month, date] = civilDate(day);
  const time = [Math.trunc(seconds / 3600) % 24, Math.trunc(seconds / 60) % 60, seconds % 60];
  const clock = time.map((part) => String(part).padStart(2, '0')).join(':');
  const name = days[day % 7] ?? '';
  return `${name}, ${String(date).padStart(2, '0')} ${months[month - 1] ?? ''} ${String(year)} ${clock} GMT`;
}

/** Year, month (1..12) and day of a count of days since 1970-01-01, in the Gregorian calendar. */
function civilDate(dayCount: number): [number, number, number] {
  const shifted = dayCount + 719_468;
  const era = Math.trunc(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.trunc(
    (dayOfEra -
      Math.trunc(dayOfEra / 1460) +
      Math.trunc(dayOfEra / 36_524) -
      Math.trunc(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.trunc(yearOfEra / 4) - Math.trunc(yearOfEra / 100));
  const monthFromMarch = Math.trunc((5 * dayOfYear + 2) / 153);
  const date = dayOfYear - Math.trunc((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, date];
}
