//! OTP supervision trees on kameo.
