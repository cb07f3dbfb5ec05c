#pragma once
struct ip_addr_t {};
