//! The authorization server as applications and attackers meet it.

mod codes;
mod desk;
mod devices;
mod fuzz;
mod log;
mod people;
mod refresh;
