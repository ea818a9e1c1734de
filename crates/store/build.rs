//! Tells cargo that the migrations are part of the crate, which it cannot see through the macro that embeds them.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
