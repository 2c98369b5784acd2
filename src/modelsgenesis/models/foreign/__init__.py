"""Networks and weights of other packages as backbones and init sources of this one."""
