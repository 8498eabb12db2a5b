//! What is on the terminal during a session: how to connect a phone, the live table, one receiver in full, help. Which keys do
//! what; taking the terminal over is `terminal`'s. Words carry every meaning, colour only helps the eye.

use std::{net::IpAddr, time::Instant};

use ratatui::{
    Frame,
    crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{List, ListItem, ListState, Paragraph},
};

use super::{
    live::{Live, NEW, Receiver},
    page::HOME,
    qr::Qr,
    session::Session,
    words::{bytes, count, folded, unrecorded},
};
use crate::model::text::printable;

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Look {
    /// How to connect a phone. Gives way to the table when something comes, unless a person asked for it.
    #[default]
    Connect,
    /// The table.
    Table,
    /// One receiver.
    Receiver(String),
    /// What keys do.
    Help,
}

/// What a person looks at, and where.
#[derive(Debug, Default)]
pub(super) struct View {
    look: Look,
    /// Whether a person chose what to look at.
    asked: bool,
    /// The receiver that is chosen; `None` for the one on top, whichever it is.
    chosen: Option<String>,
    list: ListState,
    /// First line of what is longer than the screen.
    top: usize,
    /// Lines that fit.
    page: usize,
    /// Whether colours are wanted.
    colour: bool,
}

/// What is shown around what was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    /// What does not change.
    pub(super) session: &'a Session,
    /// Devices that trust our certificate.
    pub(super) trusting: &'a [IpAddr],
    /// Why nothing is recorded any more, if so.
    pub(super) unrecorded: Option<&'a str>,
}

/// What a key asks for beyond what is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing.
    Nothing,
    /// To end the session.
    Quit,
}

impl View {
    /// What is looked at first.
    pub(super) fn new(colour: bool) -> Self {
        Self { colour, ..Self::default() }
    }

    /// Takes a key.
    pub(super) fn event(&mut self, event: &Event, live: &Live) -> Asked {
        let Event::Key(KeyEvent { code, modifiers, kind, .. }) = event else { return Asked::Nothing };
        if *kind == KeyEventKind::Release {
            return Asked::Nothing;
        }
        let is_control = modifiers.contains(KeyModifiers::CONTROL);
        match code {
            KeyCode::Char('c' | 'd') if is_control => return Asked::Quit,
            KeyCode::Char('q') => return Asked::Quit,
            KeyCode::Char('c') => self.go(if self.look == Look::Connect { Look::Table } else { Look::Connect }),
            KeyCode::Char('h' | '?') => self.go(if self.look == Look::Help { Look::Table } else { Look::Help }),
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => self.go(Look::Table),
            KeyCode::Enter | KeyCode::Right if self.look == Look::Table => {
                let chosen = self.chosen.clone().or_else(|| live.rows().first().map(|(host, _)| (*host).to_owned()));
                if let Some(host) = chosen {
                    self.go(Look::Receiver(host));
                }
            }
            KeyCode::Enter => self.go(Look::Table),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(1, live),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(-1, live),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll(self.page_step(), live),
            KeyCode::PageUp => self.scroll(-self.page_step(), live),
            KeyCode::Home | KeyCode::Char('g') => self.scroll(isize::MIN, live),
            KeyCode::End | KeyCode::Char('G') => self.scroll(isize::MAX, live),
            _ => {}
        }
        Asked::Nothing
    }

    fn go(&mut self, look: Look) {
        self.look = look;
        self.asked = true;
        self.top = 0;
    }

    fn page_step(&self) -> isize {
        let page = if self.look == Look::Table { self.page / 2 } else { self.page.saturating_sub(1) };
        isize::try_from(page.max(1)).unwrap_or(1)
    }

    fn scroll(&mut self, by: isize, live: &Live) {
        if self.look != Look::Table {
            self.top = self.top.saturating_add_signed(by);
            return;
        }
        let rows = live.rows();
        let now = self.chosen.as_ref().and_then(|chosen| rows.iter().position(|(host, _)| host == chosen)).unwrap_or(0);
        let then = now.saturating_add_signed(by).min(rows.len().saturating_sub(1));
        // On top again, the choice follows what is new.
        self.chosen = rows.get(then).filter(|_| then > 0).map(|(host, _)| (*host).to_owned());
    }

    /// Draws what is looked at.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, live: &Live, around: &Around<'_>, now: Instant) {
        let session = around.session;
        if self.look == Look::Connect && !self.asked && !live.is_empty() {
            self.look = Look::Table;
        }
        let width = usize::from(frame.area().width);
        let alarm = around.unrecorded.map(|why| folded(&unrecorded(why), width.saturating_sub(2))).unwrap_or_default();
        let [head, alarmed, body, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(u16::try_from(alarm.len()).unwrap_or(u16::MAX)),
            Constraint::Min(1),
            Constraint::Length(3),
        ])
        .areas(frame.area());
        frame.render_widget(Paragraph::new(self.head(session)).style(self.reversed()), head);
        let alarm: Vec<Line<'_>> = alarm.into_iter().map(|line| Line::raw(format!(" {line:width$}"))).collect();
        frame.render_widget(Paragraph::new(alarm).style(self.bold().patch(self.reversed()).patch(self.ink(Color::Red))), alarmed);
        match self.look.clone() {
            Look::Connect => self.connect(frame, body, session),
            Look::Table => self.table(frame, body, live, now),
            Look::Receiver(host) => self.receiver(frame, body, &host, live.receiver(&host)),
            Look::Help => self.lines(frame, body, HELP.lines().map(|line| Line::raw(line.to_owned())).collect()),
        }
        self.foot(frame, foot, live, around);
    }

    fn head(&self, session: &Session) -> Line<'static> {
        let code = session.code.as_ref().map(|code| format!("  code {code}")).unwrap_or_default();
        Line::raw(format!(" watch  proxy {}{code}  http://{HOME}/", session.proxy()))
    }

    fn connect(&self, frame: &mut Frame<'_>, area: Rect, session: &Session) {
        let code = Qr::new(&session.direct_url()).filter(|_| !session.is_loopback());
        let rows = code.as_ref().map(Qr::lines).unwrap_or_default();
        let (side, height) = (code.as_ref().map_or(0, Qr::side), rows.len());
        let fits = usize::from(area.height) >= height && usize::from(area.width) >= side + LEAST_WORDS;
        let room = if fits { usize::from(area.width) - side } else { usize::from(area.width) };
        let mut lines = vec![Line::raw(""), Line::styled("  Your own phone, or its owner agreed", self.bold()), Line::raw("")];
        let steps = session.steps(if room > 62 { 16 } else { 8 });
        lines.extend(steps.into_iter().map(|line| cut(Line::raw(format!("  {}", printable(&line))), room - 1)));
        lines.push(Line::raw(""));
        if !fits {
            lines.push(Line::raw("  A larger terminal shows a QR code here."));
        }
        lines.push(Line::raw("  Waiting for the first upload."));
        lines.push(Line::raw("  c shows this again, and the table."));
        frame.render_widget(Paragraph::new(lines), area);
        if let (true, Ok(width), Ok(height)) = (fits, u16::try_from(side), u16::try_from(height)) {
            let place = Rect { x: area.x + area.width - width, y: area.y, width, height };
            let style = Style::new().fg(Color::Black).bg(Color::White);
            frame.render_widget(Paragraph::new(rows.into_iter().map(Line::raw).collect::<Vec<_>>()).style(style), place);
        }
    }

    fn table(&mut self, frame: &mut Frame<'_>, area: Rect, live: &Live, now: Instant) {
        let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
        let width = usize::from(area.width);
        let columns = row_of(width, "  receiver", ["requests".into(), "read".into(), "fields".into()]);
        frame.render_widget(Paragraph::new(Line::styled(columns, self.bold())), head);
        let rows = live.rows();
        if rows.is_empty() {
            let nothing =
                if !live.outside.is_empty() { "Nothing in the scope yet." } else { "Nothing yet. c shows how to connect a phone." };
            frame.render_widget(Paragraph::new(format!("  {nothing}")), body);
            return;
        }
        self.page = usize::from(body.height) / 2;
        let chosen = self.chosen.as_ref().and_then(|chosen| rows.iter().position(|(host, _)| host == chosen)).unwrap_or(0);
        self.list.select(Some(chosen));
        let items: Vec<ListItem<'_>> =
            rows.iter().enumerate().map(|(at, (host, row))| ListItem::new(self.row(width, host, row, at == chosen, now))).collect();
        frame.render_stateful_widget(List::new(items), body, &mut self.list);
    }

    /// A receiver in two lines, three where something was not read.
    fn row(&self, width: usize, host: &str, row: &Receiver, is_chosen: bool, now: Instant) -> Vec<Line<'static>> {
        let mark = if is_chosen { "> " } else { "  " };
        let requests = if row.in_flight > 0 { format!("{}+{}", row.requests, row.in_flight) } else { row.requests.to_string() };
        let is_new = now.saturating_duration_since(row.since) < NEW;
        let name = format!("{mark}{}{}", if is_new { "NEW " } else { "" }, printable(host));
        let fields = row.fields.len() as u64 + row.more_fields;
        let first = row_of(width, &name, [requests, bytes(row.bytes), fields.to_string()]);
        let style = if is_chosen { self.bold().add_modifier(Modifier::UNDERLINED) } else { Style::new() };
        let mut lines = vec![Line::styled(first, style)];

        let company = row.company.clone().unwrap_or_else(|| "company unknown".to_owned());
        let mut spans = vec![Span::styled(format!("    {company}: "), self.dim())];
        let categories = row.categories(now);
        if categories.is_empty() {
            spans.push(Span::raw(if row.requests > 0 { "nothing that is known" } else { "nothing read yet" }));
        }
        for (number, (category, is_new)) in categories.iter().enumerate() {
            let comma = if number + 1 < categories.len() { ", " } else { "" };
            match is_new {
                true => spans.push(Span::styled(format!("NEW {category}{comma}"), self.bold().patch(self.ink(Color::Yellow)))),
                false => spans.push(Span::raw(format!("{category}{comma}"))),
            }
        }
        lines.push(cut(Line::from(spans), width));
        let spots = row.blind_spots();
        if !spots.is_empty() {
            lines.push(cut(Line::styled(format!("    BLIND SPOT: {}", spots.join(", ")), self.ink(Color::Red)), width));
        }
        lines
    }

    fn receiver(&mut self, frame: &mut Frame<'_>, area: Rect, host: &str, row: Option<&Receiver>) {
        let width = usize::from(area.width);
        let Some(row) = row else { return self.lines(frame, area, vec![Line::raw("  It is not there any more.")]) };
        let company = row.company.clone().unwrap_or_else(|| "company unknown".to_owned());
        let mut lines = vec![
            Line::styled(format!("  {}", printable(host)), self.bold()),
            Line::raw(format!("  {company}")),
            Line::raw(format!("  {}, {} read", count(row.requests, "request"), bytes(row.bytes))),
        ];
        for words in row.blind_spots() {
            lines.push(Line::styled(format!("  BLIND SPOT: {words}"), self.ink(Color::Red)));
        }
        let mut place = "";
        for ((of, name), field) in &row.fields {
            if of != place {
                place = of;
                lines.push(Line::raw(""));
                lines.push(Line::styled(format!("  {}", printable(of)), self.bold()));
            }
            let categories: Vec<String> = field.categories.iter().map(ToString::to_string).collect();
            let meaning = if categories.is_empty() { "nobody knows what it is".to_owned() } else { categories.join(", ") };
            lines.extend(wrapped(&format!("{}  {}  {meaning}", printable(&name.to_string()), field.kind), 4, width));
            for (category, why) in field.reasons.iter().filter(|(category, _)| field.categories.contains(category)) {
                lines.extend(wrapped(&printable(&format!("{category}: {why}")), 8, width));
            }
        }
        if row.more_fields > 0 {
            lines.push(Line::raw(format!("  and {} more, which `tattletale fields` lists", count(row.more_fields, "field"))));
        }
        if row.fields.is_empty() {
            lines.push(Line::raw("  No field was read."));
        }
        self.lines(frame, area, lines);
    }

    fn lines(&mut self, frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>) {
        self.page = usize::from(area.height);
        self.top = self.top.min(lines.len().saturating_sub(self.page));
        let shown: Vec<Line<'static>> = lines.into_iter().skip(self.top).take(self.page).collect();
        frame.render_widget(Paragraph::new(shown), area);
    }

    fn foot(&self, frame: &mut Frame<'_>, area: Rect, live: &Live, around: &Around<'_>) {
        let Around { session, trusting, .. } = around;
        let outside = match live.outside.is_empty() {
            true => format!("reads {}", session.scope),
            false => format!("outside the scope: {}", live.outside.in_words()),
        };
        let planted: Vec<String> = live.planted.iter().map(|(name, hits)| format!("{} {}", printable(name), hits.in_words())).collect();
        let first = if planted.is_empty() { outside } else { format!("PLANTED: {}   {outside}", planted.join(", ")) };
        let trust = match trusting {
            [] => "no device trusts it yet".to_owned(),
            [one] => format!("trusted by {one}"),
            more => format!("trusted by {} devices", more.len()),
        };
        let messages = if live.messages > 0 { format!(", {}", count(live.messages, "message")) } else { String::new() };
        let mut status =
            format!("{trust}   {}{messages}, {} in flight   {}", count(live.exchanges, "exchange"), live.in_flight(), session.capture);
        if live.skipped > 0 {
            status = format!("{} too fast for this table: audit tells   {status}", live.skipped);
        }
        if live.broken {
            status = format!("THIS TABLE HAS STOPPED (a defect); the capture goes on   {status}");
        }
        let keys = match self.look {
            Look::Table => " q quit   up/down choose   enter fields   c connect a phone   h help",
            Look::Connect => " q quit   c table   h help",
            Look::Receiver(_) | Look::Help => " q quit   up/down scroll   esc back   h help",
        };
        let width = usize::from(area.width);
        let lines = vec![
            cut(Line::styled(format!(" {first}"), self.dim()), width),
            cut(Line::raw(format!(" {status}")), width),
            Line::styled(format!("{keys:width$}"), self.reversed()),
        ];
        frame.render_widget(Paragraph::new(lines), area);
    }

    const fn bold(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    const fn reversed(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    const fn dim(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    const fn ink(&self, color: Color) -> Style {
        if self.colour { Style::new().fg(color) } else { Style::new() }
    }
}

/// A line of the table: a name that may be cut, and numbers at fixed places.
fn row_of(width: usize, name: &str, [requests, read, fields]: [String; 3]) -> String {
    const NUMBERS: usize = 10 + 12 + 9;
    let room = width.saturating_sub(NUMBERS).max(8);
    format!("{}{requests:>10}{read:>12}{fields:>9}", fitted(name, room))
}

/// Text in exactly so many columns.
fn fitted(text: &str, columns: usize) -> String {
    let text = cut(Line::raw(text.to_owned()), columns).to_string();
    let blank = columns.saturating_sub(Line::raw(text.as_str()).width());
    text + &" ".repeat(blank)
}

/// A line in at most so many columns; one that is cut says so with dots.
fn cut(line: Line<'static>, columns: usize) -> Line<'static> {
    if line.width() <= columns {
        return line;
    }
    let mut room = columns.saturating_sub(1);
    let mut spans = Vec::new();
    for span in line.spans {
        let mut kept = String::new();
        for character in span.content.chars() {
            let wide = Span::raw(character.to_string()).width();
            if wide > room {
                room = 0;
                break;
            }
            room -= wide;
            kept.push(character);
        }
        spans.push(Span::styled(kept, span.style));
        if room == 0 {
            break;
        }
    }
    spans.push(Span::raw("…"));
    Line { spans, ..Line::default() }.style(line.style)
}

/// Text in lines of at most so many columns, indented.
fn wrapped(text: &str, indent: usize, columns: usize) -> Vec<Line<'static>> {
    let lines = folded(text, columns.saturating_sub(indent + 1));
    lines.into_iter().enumerate().map(|(at, line)| Line::raw(" ".repeat(indent + usize::from(at > 0)) + &line)).collect()
}

/// Columns that the words beside a QR code need.
const LEAST_WORDS: usize = 46;

const HELP: &str = "
  What is on the screen
    receiver     a host, and the company behind it with its country
    requests     that were read; 3+1: one more has begun and is not over
    read         bytes of those requests that can carry data
    fields       different fields found in them
    NEW          seen for the first time, for ten seconds
    BLIND SPOT   what could not be seen, and why. An app that refuses our
                 certificate may send anything: it is not seen, not unsent

  Values are never on the screen: `tattletale show` shows them, afterwards.

  Keys
    q, Ctrl-C    end the session: the capture is closed and summed up
    up/down, jk  choose a receiver, or scroll
    enter        its fields, each with its category and why
    c            how to connect a phone
    esc          back to the table
";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::{Terminal, backend::TestBackend};

    use super::{super::live::tests as seen, *};
    use crate::model::{App, Category, ExchangeId};

    fn screen(view: &mut View, live: &Live, session: &Session, size: (u16, u16), now: Instant) -> String {
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a screen in memory");
        terminal.draw(|frame| view.draw(frame, live, &Around { session, trusting: &[], unrecorded: None }, now)).expect("it is drawn");
        let buffer = terminal.backend().buffer().clone();
        let cells: Vec<&str> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
        cells.chunks(usize::from(size.0)).map(|row| row.concat().trim_end().to_owned() + "\n").collect()
    }

    fn key(code: KeyCode) -> Event {
        Event::Key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn session() -> Session {
        super::super::session::tests::session("192.0.2.20:8080")
    }

    fn live(now: Instant) -> Live {
        let (mut live, app) = (Live::default(), App::default());
        live.observed(
            &app,
            seen::observations("api.band.test", &[("data_hr", Category::HeartRate), ("lat", Category::PreciseLocation)]),
            now,
        );
        live.tunnel(&app, &seen::refused("pinned.test"), now);
        live.began(&app, ExchangeId(9), None, "app.adjust.com", now);
        live
    }

    #[test]
    fn before_anything_comes_a_person_sees_how_to_connect() {
        let text = screen(&mut View::new(false), &Live::default(), &session(), (80, 24), Instant::now());
        for words in
            ["http://192.0.2.20:8080/", "042 137", "tattletale audit 2026-03-02", "AB:AB", "Waiting for the first upload", "q quit"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(text.contains("█▀▀▀▀▀█"), "the QR code is there, on the least terminal too: {text}");
        let small = screen(&mut View::new(false), &Live::default(), &session(), (60, 20), Instant::now());
        assert!(!small.contains("█▀▀▀▀▀█") && small.contains("A larger terminal shows a QR code here"), "{small}");
    }

    #[test]
    fn the_table_comes_by_itself_and_says_everything_in_words() {
        let now = Instant::now();
        let text = screen(&mut View::new(false), &live(now), &session(), (80, 24), now);
        for words in [
            "NEW api.band.test",
            "NEW precise-location, NEW heart-rate",
            "company unknown",
            "Adjust",
            "0+1",
            "BLIND SPOT: refused our certificate (UnknownCA)",
            "no device trusts it yet",
            "1 in flight",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(text.find("app.adjust.com") < text.find("api.band.test"), "what is new is on top: {text}");
        let later = screen(&mut View::new(false), &live(now), &session(), (80, 24), now + NEW + Duration::from_secs(1));
        assert!(!later.contains("NEW"), "{later}");
    }

    #[test]
    fn that_nothing_is_recorded_any_more_is_on_top_of_whatever_is_looked_at() {
        let (now, session) = (Instant::now(), session());
        let around = Around { session: &session, trusting: &[], unrecorded: Some("write runs/x/events.jsonl: the disk is full") };
        for look in [Look::Connect, Look::Table, Look::Help] {
            let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a screen in memory");
            let mut view = View { look, asked: true, ..View::new(true) };
            terminal.draw(|frame| view.draw(frame, &live(now), &around, now)).expect("it is drawn");
            let text = terminal.backend().to_string();
            assert!(text.contains("NOT RECORDED from now on: write runs/x/events.jsonl: the disk is full"), "{text}");
            assert!(text.contains("q quit"), "{text}");
        }
    }

    #[test]
    fn a_receiver_is_opened_with_its_fields_and_why_and_left_again() {
        let now = Instant::now();
        let (mut view, live) = (View::new(false), live(now));
        screen(&mut view, &live, &session(), (80, 24), now);
        view.event(&key(KeyCode::End), &live);
        view.event(&key(KeyCode::Enter), &live);
        let text = screen(&mut view, &live, &session(), (80, 24), now);
        assert!(text.contains("POST /v1/data") && text.contains("heart-rate: its name says \"data_hr\""), "{text}");
        view.event(&key(KeyCode::Esc), &live);
        assert!(screen(&mut view, &live, &session(), (80, 24), now).contains("receiver"));
    }

    #[test]
    fn the_choice_stays_with_its_receiver_when_another_appears() {
        let now = Instant::now();
        let (mut view, mut live) = (View::new(false), live(now));
        screen(&mut view, &live, &session(), (80, 24), now);
        view.event(&key(KeyCode::Down), &live);
        let chosen = |text: &str| text.lines().find(|line| line.starts_with('>')).unwrap_or_default().to_owned();
        let before = chosen(&screen(&mut view, &live, &session(), (80, 24), now));
        assert!(before.contains("pinned.test"), "{before}");
        live.began(&App::default(), ExchangeId(10), None, "another.test", now);
        let after = screen(&mut view, &live, &session(), (80, 24), now);
        assert!(chosen(&after).contains("pinned.test") && after.contains("another.test"), "{after}");
    }

    #[test]
    fn every_way_to_quit_quits_and_other_keys_do_not() {
        let live = Live::default();
        let control = |c| Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
        for event in [key(KeyCode::Char('q')), control('c'), control('d')] {
            assert_eq!(View::new(false).event(&event, &live), Asked::Quit, "{event:?}");
        }
        for code in [KeyCode::Enter, KeyCode::Esc, KeyCode::Char('c'), KeyCode::Up, KeyCode::PageDown, KeyCode::Home, KeyCode::End] {
            assert_eq!(View::new(false).event(&key(code), &live), Asked::Nothing, "{code:?}");
        }
    }

    #[test]
    fn no_size_and_no_text_breaks_it() {
        let now = Instant::now();
        let (mut live, app) = (live(now), App::default());
        live.began(&app, ExchangeId(11), None, &"very-long-label.".repeat(12), now);
        live.observed(&app, seen::observations("猫.test", &[(&"宽".repeat(300), Category::HeartRate)]), now);
        for look in [Look::Connect, Look::Table, Look::Help, Look::Receiver("猫.test".into()), Look::Receiver("gone.test".into())] {
            for size in [(80, 24), (200, 60), (20, 6), (1, 1), (3, 2)] {
                let mut view = View { look: look.clone(), asked: true, ..View::new(true) };
                screen(&mut view, &live, &session(), size, now);
                view.event(&key(KeyCode::End), &live);
                screen(&mut view, &live, &session(), size, now);
            }
        }
    }

    #[test]
    fn escape_sequences_of_a_host_lose_their_power() {
        let now = Instant::now();
        let mut live = Live::default();
        live.observed(&App::default(), seen::observations("a\u{1b}[31m\u{202e}.test", &[]), now);
        let text = screen(&mut View::new(true), &live, &session(), (80, 24), now);
        assert!(text.contains("a\\u{1b}[31m\\u{202e}.test"), "{text}");
    }
}
