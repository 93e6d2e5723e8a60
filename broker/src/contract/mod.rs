//! The contract suite: what every backend must do, one function a fact.
