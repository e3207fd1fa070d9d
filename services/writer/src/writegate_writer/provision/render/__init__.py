"""``writegate plan --render``: what is declared, for those who apply it by other means. No server is asked."""
