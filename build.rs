//! Tells the linker that a Node host provides the Node-API symbols, when the binding is built.

fn main() {
    if std::env::var_os("CARGO_FEATURE_NODE").is_some() {
        napi_build::setup();
    }
}
