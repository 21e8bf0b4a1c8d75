//! The product in a real browser: Chromium, driven through chromedriver, against the real server process.

mod accessibility;
mod calendar;
mod chromium;
mod consent;
mod days;
mod demo;
mod devices;
mod hand;
mod hostile;
mod keyboard;
mod lists;
mod live;
mod members;
mod selling;
mod together;
mod two_step;
mod work;
