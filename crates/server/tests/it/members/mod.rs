//! How people come into a workspace, change and leave it: through the router as it is served, with the letters that are sent.

mod email;
mod factor;
mod invitations;
mod people;
mod recovery;
mod team;
