//! A curve as a picture: SVG, both axes logarithmic, bars from quartile to quartile, in colours that can be read on white and on black.

use plotters::coord::combinators::{BindKeyPoints as _, IntoLogRange as _};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use whirlwind_benches::report::machine;
use whirlwind_benches::{Curve, Report, Run, Shows};

const WIDTH: u32 = 800;
const HEIGHT: u32 = 460;

/// Pixels above the chart: for the title, and for each line.
const TITLE: i32 = 40;
const NAME: i32 = 20;

/// Pixels below it, for the machine.
const FOOT: i32 = 26;

const GREY: RGBColor = RGBColor(118, 128, 140);
const COLOURS: [RGBColor; 3] = [
    RGBColor(56, 132, 244),
    RGBColor(214, 116, 24),
    RGBColor(40, 160, 90),
];

/// Draws what was measured, and writes it where the command line says; also where it says nothing, so that a smoke run shows that
/// it can be drawn.
pub fn all(run: &Run, report: &Report) {
    for curve in report.curves() {
        let points: usize = curve.lines().map(|line| line.points().len()).sum();
        if points == 0 {
            continue;
        }
        let mut picture = String::new();
        draw(curve, &mut picture).unwrap();
        assert_eq!(picture.matches("<circle").count(), points);
        if let Some(folder) = &run.svg {
            let name = curve.title().replace(", ", "-").replace(' ', "-");
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join(name + ".svg"), picture).unwrap();
        }
    }
}

fn draw(curve: &Curve, picture: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let (axis, shows) = (curve.axis(), curve.shows());
    let sizes = curve.sizes();
    let least = *sizes.first().ok_or("no sizes")? as f64;
    let most = *sizes.last().ok_or("no sizes")? as f64;
    let ticks = ticks(curve);
    let low = *ticks.first().ok_or("no values")?;
    let high = *ticks.last().ok_or("no values")?;

    let root = SVGBackend::with_string(picture, (WIDTH, HEIGHT)).into_drawing_area();
    let text = |size: i32, h: HPos, v: VPos| {
        let style = ("sans-serif", size).into_text_style(&root);
        style.color(&GREY).pos(Pos::new(h, v))
    };
    let centre = WIDTH as i32 / 2;
    root.draw(&Text::new(
        curve.title(),
        (centre, 14),
        text(22, HPos::Center, VPos::Top),
    ))?;
    root.draw(&Text::new(
        machine(),
        (centre, HEIGHT as i32 - 6),
        text(12, HPos::Center, VPos::Bottom),
    ))?;

    let head = TITLE + NAME * curve.lines().count() as i32;
    let inside = root.margin(head, FOOT, 12, 28);
    // Room beyond the first and the last point.
    let (least, most) = (least / 1.15, most * 1.15);
    let mut chart = ChartBuilder::on(&inside)
        .x_label_area_size(48)
        .y_label_area_size(84)
        .build_cartesian_2d(
            (least..most)
                .log_scale()
                .with_key_points(sizes.iter().map(|size| *size as f64).collect()),
            (low..high).log_scale().with_key_points(ticks.clone()),
        )?;
    chart
        .configure_mesh()
        .bold_line_style(GREY.mix(0.3))
        .light_line_style(TRANSPARENT)
        .axis_style(GREY)
        .label_style(text(14, HPos::Center, VPos::Center))
        .axis_desc_style(text(16, HPos::Center, VPos::Center))
        .x_desc(axis.label())
        .y_desc(shows.label())
        .x_label_formatter(&|size| axis.words(size.round() as usize))
        .y_label_formatter(&|value| tick(shows, *value))
        .draw()?;

    for (place, (line, colour)) in curve.lines().zip(COLOURS.iter().cycle()).enumerate() {
        let y = TITLE + NAME * place as i32 + 4;
        root.draw(&PathElement::new(
            [(112, y), (136, y)],
            colour.stroke_width(2),
        ))?;
        root.draw(&Text::new(
            line.name(),
            (144, y),
            text(15, HPos::Left, VPos::Center),
        ))?;
        let points: Vec<_> = line
            .points()
            .iter()
            .filter_map(|point| {
                let values = point
                    .quartiles()?
                    .map(|nanos| shows.value(point.size(), nanos));
                Some((point.size() as f64, values))
            })
            .collect();
        let medians = points.iter().map(|(size, [_, median, _])| (*size, *median));
        chart.draw_series(LineSeries::new(medians.clone(), colour.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|(size, [one, _, other])| {
            PathElement::new([(*size, *one), (*size, *other)], colour.stroke_width(4))
        }))?;
        chart.draw_series(medians.map(|point| Circle::new(point, 3, colour.filled())))?;
    }
    root.present()?;
    drop(chart);
    drop(inside);
    Ok(())
}

/// Values of 1, 2 and 5 in every decade, from below all that is drawn to above it.
fn ticks(curve: &Curve) -> Vec<f64> {
    let points = curve.lines().flat_map(|line| line.points());
    let values = points.filter_map(|point| {
        let quartiles = point.quartiles()?;
        Some(quartiles.map(|nanos| curve.shows().value(point.size(), nanos)))
    });
    let (low, high) = values
        .flatten()
        .fold((f64::MAX, 0.0_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    let steps = (-1..13).flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(decade)));
    let steps: Vec<_> = steps.collect();
    let below = steps.iter().filter(|step| **step <= low).count();
    let above = steps.iter().filter(|step| **step < high).count();
    let ticks = steps.into_iter().take(above + 1);
    ticks.skip(below.saturating_sub(1)).collect()
}

/// A round value, in few letters.
fn tick(shows: Shows, value: f64) -> String {
    let units: &[(f64, &str)] = match shows {
        Shows::Time => &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")],
        Shows::Rate => &[(1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")],
        Shows::Throughput => &[(1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s")],
    };
    let fits = units.iter().find(|(unit, _)| value >= *unit * 0.999);
    let (unit, name) = fits.or(units.last()).copied().unwrap_or((1.0, ""));
    format!("{:.0} {name}", value / unit)
}
