//! What every chart has, whatever the log: checked on the parsed files.

use proptest::prelude::*;
use roxmltree::{Document, Node, ParsingOptions};

use super::{Format, Sheet};
use crate::memory::{checkpoint::Label, timeline::read};

/// A sequential run of all parts as the reference card expects it on 24 GB: seconds, checkpoint, GB, what is behind.
const RUN: [(f64, u32, f64, &str); 19] = [
    (0.102, 1, 0.10, ""),
    (0.106, 2, 0.10, ""),
    (0.113, 4, 0.20, ""),
    (51.208, 12, 7.50, ""),
    (51.341, 13, 0.42, " | freed 97.0% | NVIDIA <A10G> | good"),
    (51.342, 5, 0.42, ""),
    (51.350, 6, 0.42, ""),
    (57.790, 16, 5.80, ""),
    (57.902, 17, 0.63, " | freed 96.1% | NVIDIA <A10G> | good"),
    (57.903, 7, 0.63, ""),
    (57.904, 8, 0.63, ""),
    (58.770, 18, 0.70, ""),
    (58.771, 19, 0.63, " | freed 80.0% | NVIDIA <A10G> | partial"),
    (58.772, 9, 0.63, ""),
    (58.780, 10, 0.63, ""),
    (58.781, 14, 0.63, ""),
    (58.782, 15, 0.20, ""),
    (58.782, 3, 0.20, ""),
    (58.801, 11, 0.10, " | freed 100.0% | NVIDIA <A10G> | good"),
];

fn label(number: u32) -> Label {
    Label::all().nth(number as usize - 1).expect("1 to 19")
}

/// A line of GST_DEBUG, with `gb` of `total` GB.
fn line(pid: u32, seconds: f64, number: u32, gb: f64, total: f64, behind: &str) -> String {
    let percent = gb * 100.0 / total;
    let label = label(number);
    format!(
        "0:00:{seconds:012.9} {pid} 0x1 INFO scribe-memory src/x.rs:1:write:<e> \
         [GPU Memory] {label}: Allocated: {gb:.2}GB ({percent:.1}%){behind}\n"
    )
}

fn log(pid: u32, rows: &[(f64, u32, f64, &str)]) -> String {
    let lines = rows.iter().map(|row| line(pid, row.0, row.1, row.2, 24.0, row.3));
    lines.collect()
}

fn drawn(format: Format, log: &str) -> String {
    let (runs, _) = read(log);
    let sheets: Vec<Sheet> = runs
        .iter()
        .map(|run| Sheet {
            title: "a<b>.log",
            run,
        })
        .collect();
    format.draw(&sheets)
}

fn parsed(text: &str) -> Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

fn classes<'a>(document: &'a Document, class: &str) -> Vec<Node<'a, 'a>> {
    let found = document
        .descendants()
        .filter(|node| node.attribute("class") == Some(class));
    found.collect()
}

/// All text below `node`.
fn words(node: Node) -> String {
    node.descendants()
        .filter_map(|node| node.text().filter(|_| node.is_text()))
        .collect::<Vec<_>>()
        .join("|")
}

fn value(node: Node, name: &str) -> Option<f64> {
    let value = node.attribute(name)?.parse().expect("a number");
    Some(value)
}

/// Nothing is outside of its image, and no number is none.
#[track_caller]
fn check_bounds(document: &Document) {
    for svg in document.descendants().filter(|node| node.has_tag_name("svg")) {
        let size: Vec<f64> = svg
            .attribute("viewBox")
            .unwrap()
            .split(' ')
            .map(|n| n.parse().unwrap())
            .collect();
        let inside = |x: f64, y: f64, node: Node| {
            let top = node
                .ancestors()
                .filter_map(|node| node.attribute("transform"))
                .map(|shift| {
                    shift
                        .trim_matches(|c: char| !c.is_ascii_digit())
                        .split(' ')
                        .next_back()
                        .unwrap()
                })
                .map(|y| y.parse::<f64>().unwrap())
                .sum::<f64>();
            // A comparison with NaN is false.
            let fits = (0.0..=size[2]).contains(&x) && (0.0..=size[3]).contains(&(y + top));
            assert!(fits, "({x}, {y}) + {top}: {node:?}");
        };
        for node in svg.descendants() {
            let of = |name| value(node, name);
            if let (Some(x), Some(y)) = (of("x"), of("y")) {
                inside(x, y, node);
                inside(
                    x + of("width").unwrap_or(0.0),
                    y + of("height").unwrap_or(0.0),
                    node,
                );
            }
            for (x, y) in [("x1", "y1"), ("x2", "y2")] {
                if let (Some(x), Some(y)) = (of(x), of(y)) {
                    inside(x, y, node);
                }
            }
            if let (Some(x), Some(y), Some(r)) = (of("cx"), of("cy"), of("r")) {
                inside(x - r, y - r, node);
                inside(x + r, y + r, node);
            }
            for point in node.attribute("points").unwrap_or_default().split_whitespace() {
                let (x, y) = point.split_once(',').unwrap();
                inside(x.parse().unwrap(), y.parse().unwrap(), node);
            }
        }
    }
}

/// Chips of one image keep off each other.
#[track_caller]
fn check_chips(document: &Document, count: usize) {
    let chips: Vec<(f64, f64)> = classes(document, "chip")
        .iter()
        .filter(|chip| {
            chip.parent_element()
                .unwrap()
                .children()
                .any(|node| node.has_tag_name("title"))
        })
        .map(|chip| (value(*chip, "cx").unwrap(), value(*chip, "cy").unwrap()))
        .collect();
    assert_eq!(chips.len(), count);
    for (nth, a) in chips.iter().enumerate() {
        for b in &chips[..nth] {
            assert!((a.0 - b.0).hypot(a.1 - b.1) > 19.0, "{a:?} touches {b:?}");
        }
    }
}

#[test]
fn every_checkpoint_is_in_with_its_number_and_amounts() {
    let log = log(1, &RUN);
    for format in [Format::Svg, Format::Html] {
        let text = drawn(format, &log);
        let document = parsed(&text);
        check_bounds(&document);
        check_chips(&document, 19);
        let titles: Vec<_> = document
            .descendants()
            .filter(|node| node.has_tag_name("title"))
            .map(words)
            .collect();
        for (seconds, number, gb, _) in RUN {
            let label = label(number);
            let title = titles
                .iter()
                .find(|title| title.starts_with(&format!("{number} {label}\n")));
            let title = title.unwrap_or_else(|| panic!("{number} {label} is in none of {titles:?}"));
            assert!(title.contains(&format!("{gb:.2} GiB (≈ ")), "{title}");
            assert!(
                title.contains(&format!("at {:.3} s", seconds - RUN[0].0)),
                "{title}"
            );
            assert!(title.ends_with("\ne"), "the element is missing: {title}");
        }
        let whole = words(document.root_element());
        for said in [
            "a<b>.log",
            "Memory held on NVIDIA <A10G>  ·  ≈ 24.0 GiB  ·  process 1  ·  19 checkpoints",
            "Partial: Alignment Tensors Cleanup",
            "Peak 7.50 GiB (31.2 %) at 12, Before Whisper Cleanup",
            "97.0 % freed, good",
            "80.0 % freed, partial",
            "took next to nothing",
            "seconds since Pipeline Initialization",
        ] {
            assert!(whole.contains(said), "{format:?}: {said:?} is not in {whole}");
        }
        assert_eq!(classes(&document, "work").len(), 5, "a bar for each stage");
    }
}

#[test]
fn the_table_of_the_page_has_a_row_for_each_checkpoint() {
    let text = drawn(Format::Html, &log(1, &RUN));
    let document = parsed(&text);
    let rows: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("tr"))
        .map(words)
        .collect();
    assert_eq!(rows.len(), 20);
    assert!(
        rows[4].starts_with("12|Before Whisper Cleanup|51.106 s|7.50 GiB|≈ 8"),
        "{}",
        rows[4]
    );
    assert!(rows[5].ends_with("|1.8 %|normal|97.0 %|good"), "{}", rows[5]);
    assert!(!text.contains("<script") && !text.contains("http://www.w3.org/1999") && !text.contains("src="));
}

#[test]
fn thresholds_are_at_their_shares_of_the_device() {
    let text = drawn(Format::Svg, &log(1, &RUN));
    let document = parsed(&text);
    let at = |class| value(classes(&document, class)[0], "y1").unwrap();
    let device = at("device");
    let ground = classes(&document, "axis")
        .iter()
        .map(|line| value(*line, "y2").unwrap())
        .fold(0.0, f64::max);
    for (class, share) in [("notice", 0.70), ("critical", 0.85)] {
        let place = ground - share * (ground - device);
        assert!(
            (at(class) - place).abs() < 0.5,
            "{class}: {} and not {place}",
            at(class)
        );
    }
    let whole = words(document.root_element());
    assert!(
        whole.contains("85 % (≈ 20.4 GiB) critical") && whole.contains("70 % (≈ 16.8 GiB) notice"),
        "{whole}"
    );
}

#[test]
fn little_on_a_big_device_is_not_squashed() {
    let small = line(1, 0.0, 4, 0.06, 24.0, " | 60.0 MiB | host")
        + &line(1, 5.0, 12, 0.12, 24.0, " | 120.0 MiB | host");
    let text = drawn(Format::Svg, &small);
    let document = parsed(&text);
    check_bounds(&document);
    assert!(classes(&document, "notice").is_empty());
    let whole = words(document.root_element());
    assert!(
        whole.contains("The thresholds are above this chart: 70 % is "),
        "{whole}"
    );
    assert!(whole.contains("|100 MiB|"), "{whole}");
    // The peak is in the upper half of the plot.
    let [top, ground] = ["y1", "y2"].map(|end| {
        let axis = *classes(&document, "axis").last().unwrap();
        value(axis, end).unwrap()
    });
    let peak = value(classes(&document, "most")[0], "cy").unwrap();
    assert!(peak < (top + ground) / 2.0, "{peak} in {top} to {ground}");
}

#[test]
fn a_log_without_times_or_device_says_so() {
    let bare: String = RUN
        .iter()
        .map(|row| {
            format!(
                "[GPU Memory] {}: Allocated: {:.2}GB (0.0%)\n",
                label(row.1),
                row.2
            )
        })
        .collect();
    let text = drawn(Format::Html, &bare);
    let document = parsed(&text);
    check_bounds(&document);
    let whole = words(document.root_element());
    for said in [
        "in the order of the log, which tells no times",
        "the log does not tell what the device has",
        "Memory held on an unknown device",
        // Nobody has judged these lines before.
        "97.0 % freed, good",
    ] {
        assert!(whole.contains(said), "{said:?} is not in {whole}");
    }
    assert!(classes(&document, "notice").is_empty());
}

#[test]
fn runs_stand_one_below_the_other() {
    let mut leak = RUN;
    leak[4].3 = " | freed 28.0% | NVIDIA <A10G> | leak";
    leak[7] = (57.790, 16, 20.9, " | critical");
    let log = log(1, &RUN) + &log(2, &leak) + &log(3, &RUN[..8]);
    let text = drawn(Format::Svg, &log);
    let document = parsed(&text);
    check_bounds(&document);
    let summaries: Vec<_> = classes(&document, "summary").into_iter().map(words).collect();
    assert_eq!(
        summaries,
        [
            "Partial: Alignment Tensors Cleanup",
            "Leak: Whisper Cleanup",
            "The log ends before the run does"
        ]
    );
    let whole = words(document.root_element());
    for said in [
        "28.0 % freed, leak",
        "(87.1 %, critical)",
        "cleanup did not end",
        "no cleanup in the log",
    ] {
        assert!(whole.contains(said), "{said:?} is not in {whole}");
    }
    assert_eq!(
        classes(&document, "cut").len(),
        3,
        "preprocessing, diarization, pipeline"
    );
}

#[test]
fn json_tells_bytes_the_device_and_the_date() {
    let json = r#"{"date":1700000000.5,"monotonic":7000000000,"pid":5,"element":"t","label":"Before Transcription","number":4,"stage":"transcription","allocated":1234567,"total":150754820096,"percent":0.0,"device":"NVIDIA H200 & <co>","level":"normal"}"#;
    let text = drawn(Format::Html, json);
    let document = parsed(&text);
    check_bounds(&document);
    let whole = words(document.root_element());
    for said in [
        "NVIDIA H200 & <co>  ·  140.4 GiB  ·  process 5  ·  2023-11-14 22:13:20 UTC  ·  1 checkpoint",
        "1.2 MiB (1\u{202f}234\u{202f}567 bytes)",
        "70 % is 98.3 GiB, 85 % is 119.3 GiB",
    ] {
        assert!(whole.contains(said), "{said:?} is not in {whole}");
    }
}

proptest! {
    #[test]
    fn any_log_makes_a_sound_chart(
        rows in prop::collection::vec(
            (1..=19u32, 1..4u32, 0.0..59.9f64, prop::sample::select(vec![0.0, 0.004, 0.3, 7.5, 99.0, 1e9, 1e300]),
             prop::sample::select(vec!["0.0", "0.1", "31.2", "99.9", "250.0", "1e300", "-3", "nan"]), ".{0,12}"),
            1..60,
        ),
        html in any::<bool>(),
    ) {
        let log: String = rows
            .iter()
            .map(|(number, pid, seconds, gb, percent, name)| format!(
                "0:00:{seconds:012.9} {pid} 0x1 INFO x src/x.rs:1:write:<{name}> \
                 [GPU Memory] {}: Allocated: {gb}GB ({percent}%) | freed 60.0% | {name} | leak\n",
                label(*number)
            ))
            .collect();
        let (runs, _) = read(&log);
        prop_assume!(!runs.is_empty());
        let format = if html { Format::Html } else { Format::Svg };
        let text = drawn(format, &log);
        let document = parsed(&text);
        check_bounds(&document);
        let titles = classes(&document, "title").len();
        assert_eq!(titles, runs.len());
        if let [only] = &runs[..] {
            check_chips(&document, only.entries.len());
        }
    }
}
