//! When a dataset was changed last, as a version of everything that is read from it.

use quire_proto::DigestBuilder;

use super::rows::Edited;

const NANOSECONDS: i64 = 1_000_000_000;
/// Below the time of any clock: in 2001.
const LONG_AGO_NS: u64 = 1_000_000_000_000_000_000;

/// The version of a dataset, in the form of a time of change in nanoseconds: to the second it is that time, taken as UTC
/// where it names no zone, and the rest tells versions apart that were changed at the same time. A time that cannot be read
/// is one long ago. `None` if the dataset does not say when it was changed.
pub(crate) fn version_ns(edited: &Edited) -> Option<i64> {
    let Edited(uuid, Some(time)) = edited else { return None };
    let uuid = uuid.as_ref().map_or("", |uuid| uuid.0.as_str());
    let digest = DigestBuilder::new("quire neuprint version").text(uuid).text(&time.0).finish();
    let number = u64::from_le_bytes(digest.as_bytes().first_chunk().copied().unwrap_or_default());
    let below = |limit: u64| i64::try_from(number % limit).unwrap_or_default();
    let seconds = seconds_of(&time.0).and_then(|seconds| seconds.checked_mul(NANOSECONDS));
    Some(seconds.map_or_else(|| below(LONG_AGO_NS), |time| time.saturating_add(below(1_000_000_000))))
}

/// Seconds since 1970 of `2025-09-26 11:05:17`, with `T`, fractions, `Z` or `+02:00`, or of a date alone.
fn seconds_of(text: &str) -> Option<i64> {
    let (date, rest) = text.trim().split_at_checked(10)?;
    let mut parts = date.split('-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let midnight = seconds_of_date(year, month, day)?;
    if rest.is_empty() {
        return Some(midnight);
    }
    let rest = rest.strip_prefix([' ', 'T', 't'])?;
    let (time, zone) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let whole = time.trim().split('.').next()?;
    Some(midnight + seconds_of_day(whole)? - offset(zone)?)
}

fn seconds_of_day(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(number);
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    let fine = (0..24).contains(&hours) && (0..60).contains(&minutes) && (0..=60).contains(&seconds);
    (fine && parts.next().is_none()).then_some(hours * 3600 + minutes * 60 + seconds)
}

fn offset(zone: &str) -> Option<i64> {
    if zone.is_empty() {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(0),
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some((hours, minutes)) => (number(hours)?, number(minutes)?),
        None if rest.len() == 4 => (number(rest.get(..2)?)?, number(rest.get(2..)?)?),
        None => (number(rest)?, 0),
    };
    Some(sign * (hours * 3600 + minutes * 60))
}

/// Seconds since 1970 of `Fri, 26 Sep 2025 11:05:17 GMT`.
pub(super) fn seconds_of_http_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_whitespace().skip(1);
    let day = number(words.next()?)?;
    let month = words.next()?;
    let month = i64::try_from(MONTHS.iter().position(|name| *name == month)?).ok()? + 1;
    let year = number(words.next()?)?;
    let time = seconds_of_day(words.next()?)?;
    (words.next() == Some("GMT")).then_some(seconds_of_date(year, month, day)? + time)
}

/// Midnight of a day of the Gregorian calendar.
fn seconds_of_date(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years begin in March, so that a leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    /// Days from that calendar's beginning to 1970.
    const TO_1970: i64 = 719_468;
    Some((days - TO_1970) * 86_400)
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neuprint::answer::Text;

    #[test]
    fn times_are_read_in_many_forms() {
        let noon = 1_758_884_717;
        for text in [
            "2025-09-26 11:05:17",
            "2025-09-26T11:05:17Z",
            "2025-09-26T11:05:17.123456Z",
            "2025-09-26 13:05:17+02:00",
            "2025-09-26 06:05:17.5-0500",
        ] {
            assert_eq!(seconds_of(text), Some(noon), "{text}");
        }
        assert_eq!(seconds_of_http_date("Fri, 26 Sep 2025 11:05:17 GMT"), Some(noon));
        assert_eq!(seconds_of("2000-02-29"), Some(951_782_400));
        for text in ["", "yesterday", "2025-13-01", "2025-09-26 25:00:00", "26.09.2025", "2025-09-26x"] {
            assert_eq!(seconds_of(text), None, "{text}");
        }
        assert_eq!(seconds_of_http_date("Friday, 26-Sep-25 11:05:17 GMT"), None);
    }

    #[test]
    fn a_version_is_its_time_to_the_second_and_differs_with_everything_said() {
        let edited =
            |uuid: &str, time: &str| Edited(Some(Text(uuid.to_owned())), Some(Text(time.to_owned())));
        let version = |uuid: &str, time: &str| version_ns(&edited(uuid, time)).unwrap();
        let one = version("a", "2025-09-26 11:05:17");
        assert_eq!(one / NANOSECONDS, 1_758_884_717);
        assert_ne!(one, version("b", "2025-09-26 11:05:17"));
        assert_ne!(one, version("a", "2025-09-26 11:05:18"));
        assert!(version("a", "some day") < 1_000_000_000_000_000_000);
        assert_eq!(version_ns(&Edited(Some(Text("a".to_owned())), None)), None);
    }
}
