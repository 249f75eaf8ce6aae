"""One folder a kind of imagery. A domain may use `sr_core` and `domains.common`, never another domain."""
