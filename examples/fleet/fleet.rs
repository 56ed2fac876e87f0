//! Who has the app, when it is open, and when the update that loses every licence reaches it. Moments are milliseconds from Monday 0:00.

use crate::random::Random;

pub type Ms = u32;

pub const SECOND: Ms = 1_000;
pub const MINUTE: Ms = 60 * SECOND;
pub const HOUR: Ms = 60 * MINUTE;
pub const DAY: Ms = 24 * HOUR;
pub const WEEK: Ms = 7 * DAY;

/// Launches by the hour of the day, as streaming sees them: most in the evening.
const DAY_CURVE: [u32; 24] =
    [12, 7, 4, 3, 3, 5, 10, 20, 25, 25, 28, 30, 38, 40, 38, 40, 46, 58, 75, 95, 110, 105, 80, 45];
/// Launches that a clock causes, in the first minute of their hour: a programme begins, a reminder comes up.
const ON_THE_HOUR: f64 = 0.05;
/// Launches a day, and which part of the installs has so many.
const LAUNCHES_PER_DAY: [(f64, f64); 3] = [(0.6, 1.5), (0.3, 0.4), (0.1, 0.1)];
const MEAN_OPEN_MS: f64 = 60.0 * MINUTE as f64;
const SHORTEST_OPEN: Ms = MINUTE;

/// `stagingPercentage` of the release, and from when on.
const ROLL_OUT: [(Ms, f64); 3] = [(10 * HOUR, 0.1), (DAY + 10 * HOUR, 0.3), (2 * DAY + 10 * HOUR, 1.0)];
/// How long an app is open until an update that was found at its launch has been downloaded.
const DOWNLOAD: Ms = 5 * MINUTE;

pub const MOST_SESSIONS: u32 = 50;
/// Viewers that want to watch a stored title in a launch, and until when they have chosen one.
const CLICKS: f64 = 0.5;
const CHOOSING: Ms = 5 * MINUTE;
/// How likely the viewer goes on from a title to the one that was played before it.
const NEXT_TITLE: f64 = 0.7;

/// The app is open, on the version that has lost its licences.
#[derive(Clone, Copy)]
pub struct Launch {
    pub install: u32,
    pub from: Ms,
    pub to: Ms,
    /// When a title is clicked, and which: 0 is the one last played.
    pub click: Option<(Ms, u8)>,
}

pub struct Fleet {
    /// Stored sessions of each install.
    pub sessions: Vec<u8>,
    /// Sorted by install, then by time.
    pub launches: Vec<Launch>,
}

impl Fleet {
    pub fn new(installs: u32, seed: u64) -> Self {
        let mut fleet = Self { sessions: Vec::with_capacity(installs as usize), launches: Vec::new() };
        for install in 0..installs {
            let mut random = Random::of(seed, u64::from(install));
            let sessions = 1 + random.below(MOST_SESSIONS) as u8;
            fleet.sessions.push(sessions);
            fleet.updated_launches(install, sessions, &mut random);
        }
        fleet
    }

    /// As electron-updater does it: asked at a launch, by a number of the install's own that is compared with `stagingPercentage`;
    /// downloaded while the app is open, installed when it quits. The next launch is the first on the new version.
    fn updated_launches(&mut self, install: u32, sessions: u8, random: &mut Random) {
        let staging = random.unit();
        let offered_from =
            ROLL_OUT.iter().find(|(_, percentage)| staging < *percentage).map_or(WEEK, |(from, _)| *from);
        let mut downloaded = false;
        let opens = opens(random);
        for (at, (from, to)) in opens.iter().enumerate() {
            let to = opens.get(at + 1).map_or(*to, |(next, _)| *to.min(next));
            let wants = random.unit() < CLICKS;
            let click = wants.then(|| (*from + random.below(CHOOSING), chosen(sessions, random)));
            if downloaded {
                self.launches.push(Launch { install, from: *from, to, click: click.filter(|(at, _)| *at < to) });
            }
            downloaded |= *from >= offered_from && to - from >= DOWNLOAD;
        }
    }
}

/// When an install is open in this week.
fn opens(random: &mut Random) -> Vec<(Ms, Ms)> {
    let mut habit = random.unit();
    let per_day = LAUNCHES_PER_DAY.iter().find(|(part, _)| {
        habit -= part;
        habit < 0.0
    });
    let per_day = per_day.map_or(1.0, |(_, per_day)| *per_day);
    let mut opens = Vec::new();
    for day in 0..7 {
        let mut left = 1.0 - random.exponential(1.0 / per_day);
        while left > 0.0 {
            let from = day * DAY + time_of_day(random);
            let open = random.exponential(MEAN_OPEN_MS).min(f64::from(DAY)) as Ms;
            opens.push((from, (from + open.max(SHORTEST_OPEN)).min(WEEK)));
            left -= random.exponential(1.0 / per_day);
        }
    }
    opens.sort_unstable();
    opens.dedup_by_key(|(from, _)| *from);
    opens
}

fn time_of_day(random: &mut Random) -> Ms {
    let mut at = random.below(DAY_CURVE.iter().sum());
    let hour = DAY_CURVE.iter().position(|weight| match at.checked_sub(*weight) {
        Some(rest) => {
            at = rest;
            false
        }
        None => true,
    });
    let within = if random.unit() < ON_THE_HOUR { random.below(MINUTE) } else { random.below(HOUR) };
    hour.map_or(0, |hour| hour as Ms * HOUR) + within
}

/// Mostly what was played last.
fn chosen(sessions: u8, random: &mut Random) -> u8 {
    let mut title = 0;
    while title + 1 < sessions && random.unit() < NEXT_TITLE {
        title += 1;
    }
    title
}
