//! Two ways of doing the same: with the mouse, or with nothing but keys. Whatever keys can't reach, a test by keys doesn't pass.

use serde_json::json;
use thirtyfour::{By, Key};

use super::chromium::Browser;

/// Presses of Tab after which something counts as out of reach.
const STEPS: usize = 400;

/// How a story is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hand {
    Mouse,
    Keys,
}

impl Hand {
    /// Goes to an element with the key Tab.
    async fn reach(browser: &Browser, css: &str) {
        browser.wait_for(css).await;
        let is_there = format!("return document.activeElement.matches({})", json!(css));
        for _ in 0..STEPS {
            if browser.run(&is_there).await == true {
                return;
            }
            browser.key(Key::Tab).await;
        }
        panic!(
            "{css} can't be reached with the key Tab at {}",
            browser.path().await
        );
    }

    /// Clicks, or goes there and presses Enter.
    pub(super) async fn press(self, browser: &Browser, css: &str) {
        match self {
            Self::Mouse => browser.click(css).await,
            Self::Keys => {
                Self::reach(browser, css).await;
                browser.key(Key::Enter).await;
            }
        }
    }

    /// Presses the button of a form that says what to do, which stands in `css`.
    pub(super) async fn tick(self, browser: &Browser, css: &str) {
        match self {
            Self::Mouse => browser.click(css).await,
            Self::Keys => {
                Self::reach(browser, css).await;
                browser.keys(" ").await;
            }
        }
    }

    /// Replaces what stands in a field.
    pub(super) async fn fill(self, browser: &Browser, css: &str, text: &str) {
        match self {
            Self::Mouse => browser.fill(css, text).await,
            Self::Keys => {
                Self::reach(browser, css).await;
                if browser
                    .run("return document.activeElement.value !== ''")
                    .await
                    == true
                {
                    chord(browser, Key::Control, "a").await;
                }
                browser.keys(text).await;
            }
        }
    }

    /// Chooses from a list: from its beginning down.
    pub(super) async fn choose(self, browser: &Browser, css: &str, label: &str) {
        match self {
            Self::Mouse => browser.choose(css, label).await,
            Self::Keys => {
                Self::reach(browser, css).await;
                browser.key(Key::Home).await;
                let chosen = format!(
                    "return document.querySelector({}).selectedOptions[0]?.label.trim()",
                    json!(css)
                );
                for _ in 0..STEPS {
                    if browser.run(&chosen).await == label {
                        return;
                    }
                    browser.key(Key::Down).await;
                }
                panic!("{css} has no {label}");
            }
        }
    }

    /// Names a file.
    pub(super) async fn file(self, browser: &Browser, css: &str, path: &str) {
        browser.wait_for(css).await;
        if self == Self::Keys {
            Self::reach(browser, css).await;
        }
        let input = browser.driver.find(By::Css(css)).await.unwrap();
        input.send_keys(path).await.unwrap();
    }

    /// Opens what the palette finds for these words.
    pub(super) async fn find(self, browser: &Browser, words: &str, label: &str) {
        match self {
            Self::Mouse => browser.click("[data-opens-palette]").await,
            Self::Keys => chord(browser, Key::Control, "k").await,
        }
        browser.wait_for("dialog#palette[open]").await;
        browser.keys(words).await;
        let first = "return document.querySelector('#palette-list [aria-selected=true] span')?.innerText ?? ''";
        browser.wait_until(first, label).await;
        match self {
            Self::Mouse => browser.click("#palette-list [aria-selected=true]").await,
            Self::Keys => browser.key(Key::Enter).await,
        }
    }

    /// Sends the form that is being filled in.
    pub(super) async fn send(self, browser: &Browser, button: &str) {
        match self {
            Self::Mouse => browser.click(button).await,
            Self::Keys => chord(browser, Key::Control, Key::Enter + "").await,
        }
    }

    /// Moves a card of the board to the lane so many to the right.
    pub(super) async fn move_card(self, browser: &Browser, lanes: usize) {
        match self {
            Self::Mouse => {
                // Wide enough for all lanes: what isn't in sight can't be dropped on.
                browser
                    .driver
                    .set_window_rect(0, 0, 2000, 900)
                    .await
                    .unwrap();
                let card = browser
                    .driver
                    .find(By::Css("[data-card] .row-link"))
                    .await
                    .unwrap();
                let own = "const all = [...document.querySelectorAll('.lane')]; return all.indexOf(document.querySelector('[data-card]').closest('.lane'))";
                let own = usize::try_from(browser.run(own).await.as_u64().unwrap()).unwrap();
                let lane = format!(".lane:nth-child({}) header", own + lanes + 1);
                let lane = browser.driver.find(By::Css(lane.as_str())).await.unwrap();
                browser
                    .driver
                    .action_chain()
                    .drag_and_drop_element(&card, &lane)
                    .perform()
                    .await
                    .unwrap();
            }
            Self::Keys => {
                Self::reach(browser, "[data-card] .row-link").await;
                for at in 0..lanes {
                    let lane = "const all = [...document.querySelectorAll('.lane')]; return all.indexOf(document.querySelector('[data-card]')?.closest('.lane'))";
                    let before = browser.run(lane).await.as_u64().unwrap();
                    chord(browser, Key::Shift, Key::Right + "").await;
                    if at + 1 < lanes {
                        browser.wait_until(lane, before + 1).await;
                        browser
                            .wait_until(
                                "return document.activeElement.matches('[data-card] .row-link')",
                                true,
                            )
                            .await;
                        browser.settled().await;
                    }
                }
            }
        }
    }
}

/// A key while another is held.
pub(super) async fn chord(browser: &Browser, held: Key, keys: impl Into<thirtyfour::TypingData>) {
    browser
        .driver
        .action_chain()
        .key_down(held.clone())
        .send_keys(keys)
        .key_up(held)
        .perform()
        .await
        .unwrap();
}
