//! A week of a fleet, event by event, with one kind of client.

use crate::client::{Client, Step, Titles};
use crate::fleet::{Fleet, MINUTE, Ms, WEEK};
use crate::queue::{Event, Queue};
use crate::random::Random;
use crate::server::{ANSWER, Server};

/// No launch is open.
const CLOSED: u32 = u32::MAX;

struct Install<C> {
    client: C,
    random: Random,
    /// The launch that is open.
    launch: u32,
    first_opened: Ms,
    ready_at: Option<Ms>,
    wake_at: Ms,
    /// A click on a title that has no licence yet: when, and on which.
    waits: Option<(Ms, u8)>,
}

pub struct Outcome {
    pub server: Server,
    /// Of each install that was opened on the new version, from that moment on; of one that is not ready, until the week's end.
    pub minutes_to_ready: Vec<f64>,
    pub unready: usize,
    /// Of clicks on titles that had no licence; of one that got none, until the app was closed.
    pub click_waits: Vec<f64>,
    /// How many got none.
    pub disappointed: usize,
}

struct Simulation<'a, C> {
    fleet: &'a Fleet,
    queue: Queue,
    server: Server,
    installs: Vec<Option<Install<C>>>,
    click_waits: Vec<f64>,
    disappointed: usize,
    seed: u64,
}

pub fn simulate<C: Client>(fleet: &Fleet, capacity: usize, seed: u64) -> Outcome {
    let mut simulation = Simulation::<C> {
        fleet,
        queue: Queue::new(),
        server: Server::new(capacity),
        installs: fleet.sessions.iter().map(|_| None).collect(),
        click_waits: Vec::new(),
        disappointed: 0,
        seed,
    };
    for (number, launch) in (0..).zip(&fleet.launches) {
        simulation.queue.push(launch.from, Event::Open(number));
    }
    while let Some((now, event)) = simulation.queue.pop() {
        simulation.happen(now, event);
    }
    simulation.outcome()
}

impl<C: Client> Simulation<'_, C> {
    fn happen(&mut self, now: Ms, event: Event) {
        let number = match event {
            Event::Open(launch) => {
                self.open(now, launch);
                self.fleet.launches[launch as usize].install
            }
            Event::Close(launch) | Event::Click(launch) | Event::Answer { launch, .. } => {
                self.fleet.launches[launch as usize].install
            }
            Event::Wake { install } => install,
        };
        let Some(install) = self.installs[number as usize].as_mut() else { return };
        match event {
            Event::Open(_) => {}
            Event::Wake { .. } if install.launch == CLOSED || install.wake_at != now => return,
            Event::Wake { .. } => {}
            Event::Close(launch) | Event::Click(launch) | Event::Answer { launch, .. } if install.launch != launch => {
                return;
            }
            Event::Close(_) => {
                install.client.closed();
                install.launch = CLOSED;
                if let Some((since, _)) = install.waits.take() {
                    self.click_waits.push(f64::from(now - since));
                    self.disappointed += 1;
                }
                return;
            }
            Event::Click(launch) => {
                let (_, title) = self.fleet.launches[launch as usize].click.unwrap_or_default();
                if install.client.lost().contains(title) {
                    install.waits = Some((now, title));
                    install.client.clicked(now, title);
                }
            }
            Event::Answer { title, licensed, .. } => {
                install.client.answered(now, title, licensed, &mut install.random);
                if let Some((since, wanted)) = install.waits
                    && !install.client.lost().contains(wanted)
                {
                    self.click_waits.push(f64::from(now - since));
                    install.waits = None;
                }
                if install.ready_at.is_none() && install.client.lost().is_empty() {
                    install.ready_at = Some(now);
                }
            }
        }
        self.work(now, number);
    }

    fn open(&mut self, now: Ms, number: u32) {
        let launch = self.fleet.launches[number as usize];
        let sessions = self.fleet.sessions[launch.install as usize];
        let seed = self.seed;
        let install = self.installs[launch.install as usize].get_or_insert_with(|| Install {
            client: C::new(sessions),
            random: Random::of(seed.wrapping_add(1), u64::from(launch.install)),
            launch: CLOSED,
            first_opened: now,
            ready_at: None,
            wake_at: 0,
            waits: None,
        });
        if install.client.lost() == Titles::default() {
            return;
        }
        install.launch = number;
        install.client.opened(now, &mut install.random);
        self.queue.push(launch.to, Event::Close(number));
        if let Some((at, _)) = launch.click {
            self.queue.push(at, Event::Click(number));
        }
    }

    fn work(&mut self, now: Ms, number: u32) {
        let Some(install) = self.installs[number as usize].as_mut() else { return };
        if install.launch == CLOSED {
            return;
        }
        loop {
            match install.client.step(now, &mut install.random) {
                Step::Request(title) => {
                    let licensed = self.server.take(now);
                    self.queue.push(now + ANSWER, Event::Answer { launch: install.launch, title, licensed });
                }
                Step::WakeAt(at) => {
                    // Never at once again: a client that wakes itself without end would stop the week.
                    install.wake_at = at.max(now + 1);
                    self.queue.push(install.wake_at, Event::Wake { install: number });
                    return;
                }
                Step::Rest => return,
            }
        }
    }

    fn outcome(self) -> Outcome {
        let opened = || self.installs.iter().flatten();
        let minutes = |install: &Install<C>| {
            f64::from(install.ready_at.unwrap_or(WEEK) - install.first_opened) / f64::from(MINUTE)
        };
        Outcome {
            minutes_to_ready: opened().map(minutes).collect(),
            unready: opened().filter(|install| install.ready_at.is_none()).count(),
            click_waits: self.click_waits,
            disappointed: self.disappointed,
            server: self.server,
        }
    }
}
