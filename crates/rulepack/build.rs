//! Builds the crate anew when a rule file is added or taken away; it generates nothing.

fn main() {
    println!("cargo:rerun-if-changed=../../rules");
}
