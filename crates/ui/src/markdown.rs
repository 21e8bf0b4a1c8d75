//! Markdown that people write, as HTML that can do no harm: no HTML of theirs, no pictures, no links but to the web, mail and this site.

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// Most characters that are read.
const LONGEST: usize = 100_000;

/// The text as HTML.
pub(crate) fn to_html(text: &str) -> String {
    let text: String = text.chars().take(LONGEST).collect();
    let options =
        Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS;
    // A link that leads where it may not is nothing but its text. Links don't nest, so one flag is enough.
    let mut dropped = false;
    let events = Parser::new_ext(&text, options).filter_map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Some(Event::Text(html)),
        Event::Start(Tag::HtmlBlock | Tag::Image { .. })
        | Event::End(TagEnd::HtmlBlock | TagEnd::Image) => None,
        Event::Start(Tag::Heading { .. }) => Some(Event::Start(heading())),
        Event::End(TagEnd::Heading(_)) => Some(Event::End(TagEnd::Heading(HeadingLevel::H4))),
        Event::Start(Tag::Link { dest_url, .. }) if !is_allowed(&dest_url) => {
            dropped = true;
            None
        }
        Event::End(TagEnd::Link) if dropped => {
            dropped = false;
            None
        }
        Event::SoftBreak => Some(Event::HardBreak),
        event => Some(event),
    });
    let mut out = String::with_capacity(text.len() * 3 / 2);
    html::push_html(&mut out, events);
    out
}

/// All headings are of one level: those of the page are above it.
fn heading<'a>() -> Tag<'a> {
    Tag::Heading {
        level: HeadingLevel::H4,
        id: None,
        classes: Vec::new(),
        attrs: Vec::new(),
    }
}

fn is_allowed(url: &CowStr<'_>) -> bool {
    let lower = url.trim().to_ascii_lowercase();
    ["https://", "http://", "mailto:"]
        .iter()
        .any(|scheme| lower.starts_with(scheme))
        || crate::form::local_path(url).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_shown() {
        assert_eq!(
            to_html("**Bold** and [a link](https://x.example)\nnext"),
            "<p><strong>Bold</strong> and <a href=\"https://x.example\">a link</a><br />\nnext</p>\n"
        );
        assert_eq!(to_html("# Large"), "<h4>Large</h4>\n");
        assert!(to_html("- one\n- two").contains("<li>two</li>"));
    }

    #[test]
    fn nothing_of_theirs_runs() {
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "a <b onclick=alert(1)>b</b>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](data:text/html,<script>alert(1)</script>)",
            "[x](//evil.example)",
            "![x](https://evil.example/pixel.png)",
            "<https://x.example/\"onmouseover=alert(1)>",
            "[x](https://x.example/\"onmouseover=\"alert(1))",
            "| a |\n|---|\n| <script>alert(1)</script> |",
            "```<script>\nalert(1)\n```",
        ] {
            let html = to_html(hostile);
            let tags: Vec<&str> = html
                .split('<')
                .skip(1)
                .map(|tag| tag.split('>').next().unwrap_or_default())
                .collect();
            for tag in tags {
                let name = tag
                    .trim_start_matches('/')
                    .split([' ', '/'])
                    .next()
                    .unwrap_or_default();
                assert!(
                    [
                        "p", "a", "br", "table", "thead", "tbody", "tr", "th", "td", "pre", "code",
                        "em", "strong"
                    ]
                    .contains(&name),
                    "{hostile} gives <{tag}> in {html}"
                );
                if name == "a" && !tag.starts_with('/') {
                    assert!(
                        tag.starts_with("a href=\"https://x.example"),
                        "{hostile} gives {html}"
                    );
                    assert_eq!(tag.matches('"').count(), 2, "{hostile} gives {html}");
                }
            }
        }
    }
}
