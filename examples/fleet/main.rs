//! `npm run fleet -- [--json] [--installs N] [--capacity N] [--seed N] [--svg FILE]`: a week in which an update loses every licence of a
//! fleet; what a licence server gets of it from the loop that an app writes by hand, and from the engine's own scheduling.
//! The model, and what it leaves out: docs/fleet.md.

mod client;
mod drawing;
mod fleet;
mod naive;
mod ours;
mod queue;
mod random;
mod server;
mod simulation;

use std::time::Instant;

use client::Client;
use fleet::Fleet;
use naive::Naive;
use ours::Ours;
use simulation::{Outcome, simulate};

struct Options {
    json: bool,
    installs: u32,
    capacity: usize,
    seed: u64,
    svg: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options()?;
    let started = Instant::now();
    let fleet = Fleet::new(options.installs, options.seed);
    let updated: usize = fleet.launches.chunk_by(|a, b| a.install == b.install).count();
    println!("{} installs, {updated} of them opened on the new version in this week", options.installs);
    println!("licence server: {} requests a second", options.capacity);

    let run = || (week::<Naive>(&fleet, &options), week::<Ours>(&fleet, &options));
    let (naive, ours) = if std::thread::available_parallelism()?.get() > 1 {
        std::thread::scope(|scope| {
            let naive = scope.spawn(|| week::<Naive>(&fleet, &options));
            let ours = week::<Ours>(&fleet, &options);
            naive.join().map(|naive| (naive, ours)).map_err(|_| "the simulation of the naive loop has panicked")
        })?
    } else {
        run()
    };
    tell("naive", &naive);
    tell("ours", &ours);

    let title = format!("Licence requests in the busiest second of each 10 minutes, {} installs", options.installs);
    let curves = [("naive loop", "#c62828", &naive), ("electron-offline-sessions", "#1565c0", &ours)]
        .map(|(name, color, outcome)| drawing::Curve { name, color, per_second: &outcome.server.per_second });
    std::fs::write(&options.svg, drawing::draw(&title, options.capacity, &curves))?;
    println!("{}, in {:.0} s", options.svg, started.elapsed().as_secs_f64());
    if options.json {
        println!(
            "{{\"installs\":{},\"naive\":{{\"peakPerSecond\":{},\"rejected\":{}}},\"ours\":{{\"peakPerSecond\":{},\"rejected\":{},\
             \"p50MinutesToReady\":{},\"p99MinutesToReady\":{},\"clickedP99Ms\":{}}}}}",
            options.installs,
            naive.server.peak(),
            naive.server.rejected,
            ours.server.peak(),
            ours.server.rejected,
            rounded(percentile(&ours.minutes_to_ready, 0.50)),
            rounded(percentile(&ours.minutes_to_ready, 0.99)),
            percentile(&ours.click_waits, 0.99),
        );
    }
    Ok(())
}

fn week<C: Client>(fleet: &Fleet, options: &Options) -> Outcome {
    let mut outcome = simulate::<C>(fleet, options.capacity, options.seed);
    outcome.minutes_to_ready.sort_unstable_by(f64::total_cmp);
    outcome.click_waits.sort_unstable_by(f64::total_cmp);
    outcome
}

fn tell(name: &str, outcome: &Outcome) {
    let Outcome { server, minutes_to_ready, unready, click_waits, disappointed } = outcome;
    println!("{name}");
    println!("  requests {}, rejected {}, most in a second {}", server.requests, server.rejected, server.peak());
    let minutes = [0.5, 0.99].map(|part| percentile(minutes_to_ready, part));
    println!(
        "  minutes until ready: half {:.1}, 99 % {:.1}; not ready at the week's end: {unready}",
        minutes[0], minutes[1]
    );
    let waits = [0.5, 0.99].map(|part| percentile(click_waits, part));
    println!(
        "  clicks on lost titles {}: half {} ms, 99 % {} ms; closed before it came: {disappointed}",
        click_waits.len(),
        waits[0],
        waits[1]
    );
}

/// Of sorted values.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let at = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or(0.0)
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn options() -> Result<Options, String> {
    let mut options =
        Options { json: false, installs: 1_000_000, capacity: 0, seed: 1, svg: "docs/fleet.svg".to_owned() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--json" {
            options.json = true;
            continue;
        }
        let value = arguments.next().ok_or(format!("{name} takes a value"))?;
        let number = || value.parse::<u32>().map_err(|_| format!("{name} takes a whole number"));
        match name.as_str() {
            "--installs" => options.installs = number()?.max(1),
            "--capacity" => options.capacity = number()? as usize,
            "--seed" => options.seed = u64::from(number()?),
            "--svg" => options.svg = value,
            _ => return Err(format!("there is no {name}; there are --json, --installs, --capacity, --seed, --svg")),
        }
    }
    if options.capacity == 0 {
        options.capacity = (options.installs as usize).div_ceil(INSTALLS_PER_REQUEST);
    }
    Ok(options)
}

/// What a server is built for, if not said: this many installs for each request a second.
const INSTALLS_PER_REQUEST: usize = 5_000;
