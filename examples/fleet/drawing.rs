//! Requests per second over the week, as SVG.

use std::fmt::Write;

use crate::fleet::{DAY, HOUR, SECOND, WEEK};

const WIDTH: f64 = 1080.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 40.0;
/// What is drawn as one point: its busiest second.
const SECONDS_OF_POINT: usize = 600;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

pub struct Curve<'a> {
    pub name: &'a str,
    pub color: &'a str,
    pub per_second: &'a [u32],
}

pub fn draw(title: &str, capacity: usize, curves: &[Curve<'_>]) -> String {
    let points: Vec<Vec<u32>> = curves.iter().map(|curve| busiest(curve.per_second)).collect();
    let highest = points.iter().flatten().copied().max().unwrap_or(0).max(capacity as u32);
    let step = round_step(highest);
    let top = f64::from(highest.div_ceil(step) * step);
    let x = |second: f64| LEFT + second / f64::from(WEEK / SECOND) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{title}</text>\n"
    );
    let mut value = 0;
    while f64::from(value) <= top {
        let at = y(f64::from(value));
        line(&mut svg, (LEFT, at), (WIDTH - RIGHT, at), "#ddd", "");
        text(&mut svg, (LEFT - 8.0, at + 4.0), "end", "#444", &value.to_string());
        value += step;
    }
    for (day, name) in (0..).zip(DAYS) {
        let noon = f64::from((day * DAY + 12 * HOUR) / SECOND);
        let midnight = x(f64::from(day * DAY / SECOND));
        line(&mut svg, (midnight, TOP), (midnight, HEIGHT - BOTTOM), "#ddd", "");
        text(&mut svg, (x(noon), HEIGHT - BOTTOM + 20.0), "middle", "#444", name);
    }
    let limit = y(capacity as f64);
    for (n, (curve, points)) in (0u32..).zip(curves.iter().zip(&points)) {
        let path: Vec<String> = (0u32..)
            .zip(points)
            .map(|(n, value)| {
                format!("{:.1},{:.1}", x((f64::from(n) + 0.5) * SECONDS_OF_POINT as f64), y(f64::from(*value)))
            })
            .collect();
        let color = curve.color;
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.3\" points=\"{}\"/>",
            path.join(" ")
        );
        text(&mut svg, (LEFT + 12.0 + 160.0 * f64::from(n), TOP - 8.0), "start", color, curve.name);
    }
    line(&mut svg, (LEFT, limit), (WIDTH - RIGHT, limit), "#000", "6 4");
    text(
        &mut svg,
        (WIDTH - RIGHT, TOP - 8.0),
        "end",
        "#000",
        &format!("- - the server's capacity, {capacity} per second"),
    );
    svg.push_str("</svg>\n");
    svg
}

fn busiest(per_second: &[u32]) -> Vec<u32> {
    per_second.chunks(SECONDS_OF_POINT).map(|seconds| seconds.iter().copied().max().unwrap_or(0)).collect()
}

/// 1, 2 or 5 times a power of ten, for about five lines.
fn round_step(highest: u32) -> u32 {
    let mut power = 1;
    loop {
        for step in [power, 2 * power, 5 * power] {
            if highest / step <= 6 {
                return step;
            }
        }
        power *= 10;
    }
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), color: &str, dashes: &str) {
    let (x1, y1) = from;
    let (x2, y2) = to;
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{color}\" stroke-dasharray=\"{dashes}\"/>"
    );
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, color: &str, text: &str) {
    let (x, y) = at;
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{color}\">{text}</text>");
}
