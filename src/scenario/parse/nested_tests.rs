//! What is read of scenarios that hold others and repeat steps, and what a person sees who made a mistake in one of the files.

use std::{collections::BTreeMap, path::PathBuf};

use miette::{GraphicalReportHandler, GraphicalTheme};

use super::{Problems, scenario_among};
use crate::{
    model::App,
    scenario::{Scenario, ScenarioFiles, steps::fakes::FakePhone},
};

/// Files by their paths from the app's folder.
struct Folder(BTreeMap<&'static str, String>);

impl ScenarioFiles for Folder {
    fn scenario(&self, path: &str) -> Result<(String, String), String> {
        self.0.get(path).map(|text| (format!("demo/{path}"), text.clone())).ok_or_else(|| "it is not there".to_owned())
    }

    fn place(&self, path: &str) -> Option<PathBuf> {
        Some(PathBuf::from("demo").join(path))
    }
}

/// A scenario with these steps; its name is the file's.
fn text(path: &str, steps: &str) -> String {
    let name = path.rsplit('/').next().and_then(|file| file.strip_suffix(".yaml")).expect("a scenario file");
    format!("name: {name}\napp: demo\nabout: A part.\nsteps:\n{steps}")
}

/// The scenario `main.yaml` of these files.
fn read(files: &[(&'static str, &str)]) -> Result<Scenario, Problems> {
    let folder = Folder(files.iter().map(|(path, steps)| (*path, text(path, steps))).collect());
    let app = App { name: "demo".into(), ..App::default() };
    let main = folder.0.get("main.yaml").cloned().expect("there is one");
    scenario_among("demo/main.yaml", "main", &main, &app, &folder)
}

/// Problems of all files, one a line: place, message, label.
fn problems(files: &[(&'static str, &str)]) -> Vec<String> {
    let problems = read(files).expect_err("there is a mistake");
    let told = |problems: &Problems| -> Vec<String> {
        let line = |problem| {
            let (line, column) = problems.line_and_column(problem);
            format!("{}:{line}:{column} {}: {}", problems.name(), problem.message, problem.label)
        };
        problems.all().iter().map(line).collect()
    };
    [told(&problems), problems.others().iter().flat_map(told).collect()].concat()
}

#[test]
fn steps_hold_steps_of_their_own_file_and_of_others() {
    let scenario = read(&[
        ("main.yaml", "- repeat:\n    times: 2\n    commands:\n      - back\n      - retry: { commands: [tapOn: a] }\n- runScenario: parts/a.yaml   # a part\n"),
        ("parts/a.yaml", "- runScenario: ../b.yaml\n- back\n"),
        ("b.yaml", "- phase: { name: sync }\n"),
    ])
    .expect("all is right");
    let all: Vec<String> = scenario.every_step().iter().map(|placed| format!("{}: {}", placed.place(), placed.written)).collect();
    assert_eq!(
        all,
        [
            "line 5: repeat:",
            "line 8: back",
            "line 9: retry: { commands: [tapOn: a] }",
            "line 9: tapOn: a] }",
            "line 10: runScenario: parts/a.yaml",
            "line 5 of parts/a.yaml: runScenario: ../b.yaml",
            "line 5 of b.yaml: phase: { name: sync }",
            "line 6 of parts/a.yaml: back",
        ]
    );
}

#[test]
fn what_is_pulled_in_counts_for_the_hash_and_what_is_said_about_it_does_not() {
    let main = ("main.yaml", "- runScenario: a.yaml\n");
    let hash = |steps| read(&[main, ("a.yaml", steps)]).expect("all is right").hash;
    assert_eq!(hash("- back\n"), hash("# a comment\n-   back\n"));
    assert_ne!(hash("- back\n"), hash("- back\n- back\n"));
    let nested = |steps| read(&[main, ("a.yaml", "- runScenario: b.yaml\n"), ("b.yaml", steps)]).expect("all is right").hash;
    assert_ne!(nested("- back\n"), nested("- stopApp\n"));
    assert_eq!(
        read(&[("main.yaml", "- back\n")]).expect("right").hash,
        super::scenario("x", "main", &text("main.yaml", "- back\n"), &App { name: "demo".into(), ..App::default() }).expect("right").hash
    );
}

#[test]
fn a_step_inside_that_the_rig_cannot_do_is_known_before_the_run() {
    let scenario =
        read(&[("main.yaml", "- repeat: { times: 2, commands: [runScenario: a.yaml] }\n"), ("a.yaml", "- back\n- vibrateBand\n")])
            .expect("all is right");
    let places: Vec<String> = scenario.impossible_on(&FakePhone::default(), false).into_iter().map(|is| is.place).collect();
    assert_eq!(places, ["line 6 of a.yaml"]);
}

#[test]
fn a_scenario_that_runs_itself_is_told_where_the_circle_closes() {
    let told = problems(&[
        ("main.yaml", "- back\n- runScenario: a.yaml\n"),
        ("a.yaml", "- runScenario: parts/b.yaml\n"),
        ("parts/b.yaml", "- runScenario: ../main.yaml\n"),
    ]);
    assert_eq!(
        told,
        [
            "demo/main.yaml:6:16 run \"a.yaml\": it has a problem",
            "demo/parts/b.yaml:5:16 run \"../main.yaml\": it would run for ever: main.yaml runs a.yaml runs parts/b.yaml runs main.yaml",
            "demo/a.yaml:5:16 run \"parts/b.yaml\": it has a problem",
        ]
    );
}

#[test]
fn depth_number_and_length_are_bounded() {
    let names: Vec<&'static str> =
        vec!["main.yaml", "a.yaml", "b.yaml", "c.yaml", "d.yaml", "e.yaml", "f.yaml", "g.yaml", "h.yaml", "i.yaml"];
    let steps: Vec<String> = names.iter().skip(1).map(|next| format!("- runScenario: {next}\n")).chain(["- back\n".to_owned()]).collect();
    let deep: Vec<(&'static str, &str)> = names.iter().copied().zip(steps.iter().map(String::as_str)).collect();
    let told = problems(&deep);
    assert!(told.contains(&"demo/h.yaml:5:16 run \"i.yaml\": too deep".to_owned()), "{told:#?}");
    read(&deep[..1].iter().copied().chain(deep[2..].iter().copied()).collect::<Vec<_>>()).expect_err("a.yaml is not there");

    // Each runs the next one eight times: that would be millions.
    let eight: Vec<String> = names.iter().skip(1).take(7).map(|next| format!("- runScenario: {next}\n").repeat(8)).collect();
    let wide: Vec<(&'static str, &str)> = names.iter().copied().zip(eight.iter().map(String::as_str).chain(["- back\n"])).collect();
    assert!(problems(&wide).iter().any(|problem| problem.ends_with("too many")));

    let long = "- repeat: { times: 1000, commands: [repeat: { times: 1000, commands: [back] }] }\n";
    assert_eq!(problems(&[("main.yaml", long)]), ["demo/main.yaml:5:3 do more than 10000 steps: too many from here on"]);
}

#[test]
fn a_phase_has_one_beginning() {
    let phase = "- phase: { name: sync }\n";
    let told = problems(&[
        ("main.yaml", "- retry: { commands: [phase: { name: sync }] }\n- repeat: { times: 2, commands: [runScenario: a.yaml] }\n"),
        ("a.yaml", phase),
    ]);
    assert_eq!(
        told,
        [
            "demo/main.yaml:5:38 begin the phase \"sync\" more than once: would begin again",
            "demo/main.yaml:6:34 begin the phase \"sync\" more than once: would begin again",
        ]
    );
    let twice = problems(&[("main.yaml", "- runScenario: a.yaml\n- phase: { name: sync }\n"), ("a.yaml", phase)]);
    assert_eq!(twice, ["demo/main.yaml:6:18 name a second phase \"sync\": again here"]);
    read(&[("main.yaml", "- runScenario: a.yaml\n"), ("a.yaml", phase)]).expect("once is right");
}

#[test]
fn places_of_other_files_have_to_lie_apart_too() {
    let told = problems(&[
        ("main.yaml", "- setLocation: { lat: 52.5, lon: 4.5 }\n- runScenario: a.yaml\n"),
        ("a.yaml", "- setLocation: { lat: 52.501, lon: 4.5 }\n"),
    ]);
    assert_eq!(told, ["demo/main.yaml:6:3 tell two places apart: 111 m from an earlier place"]);
}

#[test]
fn files_that_cannot_be_pulled_in_are_told_apart() {
    for (path, label) in [
        ("b.yaml", "cannot be read: it is not there"),
        ("../other/b.yaml", "leads out of the app's folder"),
        ("parts/../../b.yaml", "leads out of the app's folder"),
    ] {
        let steps = format!("- runScenario: {path}\n");
        assert_eq!(problems(&[("main.yaml", &steps)]), [format!("demo/main.yaml:5:16 run \"{path}\": {label}")]);
    }
    for path in ["/etc/passwd", "b.txt", "B.yaml"] {
        let steps = format!("- runScenario: {path}\n");
        assert!(problems(&[("main.yaml", &steps)])[0].ends_with("wrong value"), "{path}");
    }
}

#[test]
fn a_film_begins_and_ends_once_at_a_time_and_shows_no_secret() {
    for (steps, told) in [
        ("- startRecording: a\n", &["5:3 end this film of the screen: begins here"][..]),
        ("- stopRecording\n", &["5:3 end a film of the screen: none was begun"]),
        ("- startRecording: a\n- startRecording: b\n- stopRecording\n", &["6:3 film the screen twice at a time: begins again here"]),
        ("- startRecording: a\n- runScenario: a.yaml\n- stopRecording\n", &["6:3 type a secret: the screen is being filmed"]),
        (
            "- repeat: { times: 2, commands: [runScenario: a.yaml, startRecording: a] }\n- stopRecording\n",
            &[
                "5:34 type a secret: the screen is being filmed",
                "5:55 film the screen after a secret was typed: it may show here",
                "5:55 film the screen twice at a time: begins again here",
            ],
        ),
        (
            "- repeat: { times: 2, commands: [startRecording: a, stopRecording, runScenario: a.yaml] }\n",
            &["5:34 film the screen after a secret was typed: it may show here"],
        ),
    ] {
        let told: Vec<String> = told.iter().map(|told| format!("demo/main.yaml:{told}")).collect();
        assert_eq!(problems(&[("main.yaml", steps), ("a.yaml", "- inputText: \"${env:PASSWORD}\"\n")]), told, "{steps}");
    }
    let before = "- startRecording: a\n- stopRecording\n- runScenario: a.yaml\n";
    read(&[("main.yaml", before), ("a.yaml", "- inputText: \"${env:PASSWORD}\"\n")]).expect("the film is over");
}

#[test]
fn variables_are_looked_up_before_the_run_and_all_that_are_missing_are_told() {
    let files = [
        ("main.yaml", "- runScenario: a.yaml\n- inputText: \"${env:ACCOUNT}\"\n"),
        ("a.yaml", "- retry: { commands: [inputText: \"${env:PASSWORD}\"] }\n"),
    ];
    let mut scenario = read(&files).expect("all is right");
    let missing = scenario.look_up(|_| None).expect_err("nothing is set");
    let told: Vec<String> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "do line 5 of a.yaml, inputText: the environment variable PASSWORD is not set",
            "do line 6, inputText: the environment variable ACCOUNT is not set",
        ]
    );
    scenario.look_up(|name| Some(format!("{name} of a test"))).expect("all are set");
    assert!(scenario.secrets.has("PASSWORD") && !format!("{scenario:?}").contains("of a test"));
}

#[test]
fn mistakes_of_another_file_are_drawn_with_its_own_lines() {
    let problems = read(&[
        ("main.yaml", "- pressKey: hoem\n- runScenario: a.yaml\n- runScenario: a.yaml\n"),
        ("a.yaml", "- back\n- assertVisible: Synced\n"),
    ])
    .expect_err("both are wrong");
    let mut drawing = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::none()).with_width(110);
    handler.render_report(&mut drawing, &problems).expect("a text can be written to");
    for part in [
        "understand demo/main.yaml: 3 problems",
        "understand demo/a.yaml: one problem",
        "6 | - assertVisible: Synced",
        "help: Maestro has it, tattletale does not: waitForVisible waits for it, with a limit",
    ] {
        assert_eq!(drawing.matches(part).count(), 1, "{part}\n{drawing}");
    }
    assert!(problems.without(|label| label == "demo/a.yaml").others().is_empty());
}
